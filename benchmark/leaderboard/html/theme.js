// Before the first paint: the theme that the reader chose, if any. Storage may be forbidden; then the system decides.
try {
  const theme = localStorage.getItem("bench-theme");
  if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
} catch {}
