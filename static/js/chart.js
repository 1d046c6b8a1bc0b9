// Draws Bokeh's charts over the drawings the server sent. Without script, or if this fails, those stay.
(() => {
  const { nonce } = document.currentScript;
  const dark = window.matchMedia("(prefers-color-scheme: dark)");

  // Bokeh styles its shadow roots with <style> elements of its own: this page's nonce lets exactly those in.
  const create = document.createElement.bind(document);
  document.createElement = (name, options) => {
    const element = create(name, options);
    if (String(name).toLowerCase() === "style") element.nonce = nonce;
    return element;
  };

  const scheme = () => document.documentElement.dataset.theme || (dark.matches ? "dark" : "light");

  async function draw(box) {
    const url = new URL(box.dataset.chartUrl, window.location.href);
    url.searchParams.set("scheme", scheme());
    const answer = await fetch(url, { headers: { Accept: "application/json" } });
    if (!answer.ok) return;
    const item = await answer.json();
    const canvas = document.createElement("div");
    const kept = [...box.childNodes];
    box.append(canvas);
    await window.Bokeh.embed.embed_item(item, canvas);
    kept.forEach((node) => node.remove());
    box.dataset.drawn = scheme();
  }

  const drawAll = () => document.querySelectorAll("[data-chart-url]").forEach((box) => draw(box));
  const drawNew = ({ target }) => target.querySelectorAll("[data-chart-url]:not([data-drawn])").forEach((box) => draw(box));
  document.addEventListener("DOMContentLoaded", drawAll);
  dark.addEventListener("change", drawAll);
  document.addEventListener("htmx:afterSettle", drawNew);
})();
