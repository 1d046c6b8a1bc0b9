// Shows how much of a file has been sent. Without script the form works as it is.
for (const form of document.querySelectorAll("form[data-upload]")) {
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const box = form.querySelector("[data-upload-progress]");
    const bar = box.querySelector("progress");
    const text = box.querySelector("[data-upload-text]");
    const button = form.querySelector("button");
    const request = new XMLHttpRequest();
    const fail = () => {
      button.disabled = false;
      text.textContent = "The connection was lost before the file was sent. Nothing was imported; try again.";
    };
    request.upload.addEventListener("progress", (sent) => {
      if (!sent.lengthComputable) return;
      bar.value = (100 * sent.loaded) / sent.total;
      text.textContent = `${(sent.loaded / 1e6).toFixed(1)} of ${(sent.total / 1e6).toFixed(1)} MB`;
    });
    request.addEventListener("load", () => {
      const moved = request.responseURL && request.responseURL !== window.location.href;
      if (moved) {
        window.location.assign(request.responseURL);
        return;
      }
      const page = new DOMParser().parseFromString(request.responseText, "text/html");
      const main = page.querySelector("main");
      if (main) document.querySelector("main").replaceWith(main);
    });
    request.addEventListener("error", fail);
    request.addEventListener("abort", fail);
    box.hidden = false;
    button.disabled = true;
    request.open("POST", form.action);
    request.send(new FormData(form));
  });
}
