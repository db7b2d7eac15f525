// Shows the OpenAPI document. What is tried from here goes with the session of who looks, and so with its proof that
// it comes from a page of ours.
const main = document.getElementById("api");
const proof = document.querySelector('meta[name="csrf-token"]')?.content;

window.SwaggerUIBundle({
  url: main.dataset.document,
  domNode: main,
  deepLinking: true,
  validatorUrl: null,
  requestInterceptor: (request) => {
    if (proof && request.method !== "GET") request.headers["X-CSRFToken"] = proof;
    return request;
  },
});
