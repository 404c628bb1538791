// Dark or light, before anything is drawn. The choice is kept in a cookie of this site, which holds nothing else.
const chosen = document.cookie.split("; ").find((part) => part.startsWith("kneeoa_theme="));
document.documentElement.dataset.theme = chosen === "kneeoa_theme=light" ? "light" : "dark";
