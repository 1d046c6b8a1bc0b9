// Draws Bokeh's charts over the drawings the server sent. Without script, or if this fails, those stay.
(() => {
  const { nonce } = document.currentScript;
  const dark = window.matchMedia("(prefers-color-scheme: dark)");
  let leaving = false;

  // Bokeh styles its shadow roots with <style> elements of its own: this page's nonce lets exactly those in.
  const create = document.createElement.bind(document);
  document.createElement = (name, options) => {
    const element = create(name, options);
    if (String(name).toLowerCase() === "style") element.nonce = nonce;
    return element;
  };

  const scheme = () => document.documentElement.dataset.theme || (dark.matches ? "dark" : "light");

  async function fetched(box) {
    const url = new URL(box.dataset.chartUrl, window.location.href);
    url.searchParams.set("scheme", scheme());
    const answer = await fetch(url, { headers: { Accept: "application/json" } });
    return answer.ok ? answer.json() : null;
  }

  async function draw(box) {
    const item = await fetched(box);
    // The part this chart stood in may have been swapped away while its data came.
    if (item === null || !box.isConnected) return;
    const canvas = document.createElement("div");
    const kept = [...box.childNodes];
    box.append(canvas);
    await window.Bokeh.embed.embed_item(item, canvas);
    kept.forEach((node) => node.remove());
    box.dataset.drawn = scheme();
  }

  // A chart that left the page, or whose request the next page cut off, is nobody's trouble.
  const attempt = (box) =>
    draw(box).catch((problem) => {
      if (box.isConnected && !leaving) throw problem;
    });

  const drawAll = () => document.querySelectorAll("[data-chart-url]").forEach(attempt);
  const drawNew = ({ target }) => target.querySelectorAll("[data-chart-url]:not([data-drawn])").forEach(attempt);
  document.addEventListener("DOMContentLoaded", drawAll);
  window.addEventListener("pagehide", () => (leaving = true));
  window.addEventListener("pageshow", () => (leaving = false));
  dark.addEventListener("change", drawAll);
  document.addEventListener("htmx:afterSettle", drawNew);
})();
