// Light or dark colors.

const prefers = (what) => window.matchMedia(`(${what})`);

function setScheme(dark) {
  document.documentElement.dataset.theme = dark ? "dark" : "light";
}

// Follow the system's light or dark mode until the button is used.
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

// Apply immediately, so that a dark screen does not flash.
setScheme(prefers("prefers-color-scheme: dark").matches);
