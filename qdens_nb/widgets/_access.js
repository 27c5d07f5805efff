// Names for the controls of an app, and its results said aloud once they rest (see _access.py).
const REST = 1500, TRIES = 50;

function outermost(el) {
  let found = null;
  for (let e = el; e; e = e.parentElement) if (e.classList?.contains("widget-vbox")) found = e;
  return found;
}

function name(root, figure) {
  for (const slider of root.querySelectorAll(".widget-slider")) {
    const label = slider.querySelector("label")?.textContent ?? "";
    const readout = slider.querySelector(".widget-readout");
    readout?.setAttribute("aria-label", `${label}, value`);
    readout?.setAttribute("role", "textbox");
    const values = readout?.textContent.split(" – ") ?? [];
    const handles = [...slider.querySelectorAll("[role=slider]")];
    handles.forEach((handle, i) => {
      const end = handles.length > 1 ? [", from", ", to"][i] : "";
      handle.setAttribute("aria-label", label + end);
      const value = values[i]?.trim();
      if (value && handle.getAttribute("aria-valuetext") !== value)
        handle.setAttribute("aria-valuetext", value);
    });
  }
  for (const button of root.querySelectorAll(".widget-toggle-button"))
    button.setAttribute("aria-pressed", button.classList.contains("mod-active"));
  for (const player of root.querySelectorAll(".widget-play"))
    player.querySelectorAll("button").forEach((button, i) =>
      button.setAttribute("aria-label", ["play or pause", "back to the start", "repeat"][i]));
  for (const plot of root.querySelectorAll(".js-plotly-plot")) {
    plot.setAttribute("role", "group");
    plot.setAttribute("aria-label", figure);
  }
}

function render({ model, el }) {
  el.className += " qdens-access";
  el.setAttribute("role", "log");
  el.setAttribute("aria-live", "polite");
  el.setAttribute("aria-atomic", "true");
  let tries = 0, timer = 0, said = "";
  const observer = new MutationObserver(changes => {
    const root = outermost(el);
    if (!root) return;
    name(root, model.get("figure"));
    if (changes.some(({ target }) => (target.parentElement ?? target).closest?.(".qdens-said")))
      say(root);
  });
  const say = root => {
    clearTimeout(timer);
    timer = setTimeout(() => {
      for (const status of root.querySelectorAll("[role=status]"))
        status.setAttribute("aria-live", "off");
      const words = [...root.querySelectorAll(".qdens-said")]
        .map(e => e.innerText.trim().replaceAll("\n", " ")).filter(Boolean).join(". ");
      if (words !== said) el.textContent = said = words;
    }, REST);
  };
  const begin = () => {
    const root = outermost(el);
    if (!root?.querySelector("[role=status]") || !root.querySelector("[role=slider]")) {
      if (tries++ < TRIES) timer = setTimeout(begin, 200);
      return;
    }
    const what = { childList: true, characterData: true, subtree: true };
    const texts = root.querySelectorAll("div.widget-label, .widget-html:has([role=status])");
    for (const text of texts) {
      text.classList.add("qdens-said");
      observer.observe(text, what);
    }
    for (const slider of root.querySelectorAll(".widget-slider")) observer.observe(slider, what);
    for (const button of root.querySelectorAll(".widget-toggle-button"))
      observer.observe(button, { attributeFilter: ["class"] });
    name(root, model.get("figure"));
    say(root);
  };
  begin();
  return () => { clearTimeout(timer); observer.disconnect(); };
}

export default { render };
