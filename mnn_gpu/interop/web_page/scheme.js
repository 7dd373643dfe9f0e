// Light or dark colours.

const prefers = (what) => window.matchMedia(`(${what})`);

function setScheme(dark) {
  document.documentElement.dataset.theme = dark ? "dark" : "light";
}

// Light or dark as the system has it, until the button says otherwise.
function followScheme(button, changed) {
  const system = prefers("prefers-color-scheme: dark");
  let chosen = null;
  const set = () => {
    const dark = chosen ?? system.matches;
    setScheme(dark);
    button.setAttribute("aria-pressed", String(dark));
    changed();
  };
  button.addEventListener("click", () => {
    chosen = document.documentElement.dataset.theme !== "dark";
    set();
  });
  system.addEventListener("change", set);
  set();
}

// At once, so that a dark screen does not flash.
setScheme(prefers("prefers-color-scheme: dark").matches);
