// A real OpenID provider on loopback: two clients' worth of settings, three people with groups, and doors for tests.
// Run in the folder that has node_modules: node provider.mjs PORT REDIRECT_URI
import * as crypto from "node:crypto";
import * as http from "node:http";
import { SignJWT, UnsecuredJWT, exportJWK, exportSPKI, generateKeyPair } from "jose";
import { Provider } from "oidc-provider";

const [port, redirect] = process.argv.slice(2);
const issuer = `http://127.0.0.1:${port}`;
const people = {
  anna: { name: "Anna Op", groups: ["exp/operators"], "wlcg.groups": ["/exp", "/exp/production"] },
  berta: { name: "Berta View", groups: ["exp/members"], "wlcg.groups": ["/exp"] },
  carl: { name: "Carl Nobody", groups: ["other"], "wlcg.groups": ["/other"] },
};
const client = {
  client_id: "headframe",
  client_secret: "the-clients-own-secret",
  redirect_uris: [redirect],
  grant_types: ["authorization_code", "client_credentials"],
  response_types: ["code"],
};
let keys = await fresh();
let provider = made();

async function fresh() {
  const pair = await generateKeyPair("RS256", { extractable: true });
  return { ...pair, kid: crypto.randomUUID() };
}

function made() {
  return exportJWK(keys.privateKey).then((jwk) => new Provider(issuer, {
    clients: [client],
    jwks: { keys: [{ ...jwk, kid: keys.kid, use: "sig", alg: "RS256" }] },
    cookies: { keys: ["only for tests"] },
    pkce: { required: () => true },
    conformIdTokenClaims: false,
    claims: { openid: ["sub"], profile: ["name", "preferred_username", "groups", "wlcg.groups"] },
    findAccount: (_, id) => people[id] && {
      accountId: id,
      claims: () => ({ sub: id, preferred_username: id, ...people[id] }),
    },
    extraTokenClaims: () => ({ "wlcg.ver": "1.0", "wlcg.groups": ["/exp/production"] }),
    features: {
      clientCredentials: { enabled: true },
      devInteractions: { enabled: true },
      resourceIndicators: {
        enabled: true,
        defaultResource: () => undefined,
        getResourceServerInfo: (_, resource) => ({
          scope: "headframe.read",
          audience: resource,
          accessTokenFormat: "jwt",
          accessTokenTTL: 600,
          jwt: { sign: { alg: "RS256" } },
        }),
      },
    },
  }).callback());
}

// Signs whatever claims a test asks for, by whatever means.
async function signed({ header = {}, claims, how = "key" }) {
  if (how === "none") return new UnsecuredJWT(claims).encode();
  const head = { alg: "RS256", kid: keys.kid, ...header };
  const token = new SignJWT(claims);
  if (how === "public") {
    const secret = new TextEncoder().encode(await exportSPKI(keys.publicKey));
    return token.setProtectedHeader({ ...head, alg: "HS256" }).sign(secret);
  }
  const by = how === "stranger" ? (await fresh()).privateKey : keys.privateKey;
  return token.setProtectedHeader(head).sign(by, { crit: { x: true } });
}

async function body(request) {
  const parts = [];
  for await (const part of request) parts.push(part);
  return JSON.parse(Buffer.concat(parts).toString() || "{}");
}

http.createServer(async (request, response) => {
  if (request.url === "/test/rotate") {
    keys = await fresh();
    provider = made();
    response.end(keys.kid);
  } else if (request.url === "/test/sign") {
    response.end(await signed(await body(request)));
  } else {
    (await provider)(request, response);
  }
}).listen(Number(port), "127.0.0.1");
