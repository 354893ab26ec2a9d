// Django's two lists to choose from: its signs say what they mean in a label, which only an image may have.
window.addEventListener("load", () => setTimeout(() => {
    for (const sign of document.querySelectorAll(".selector .help-tooltip[aria-label]")) {
        sign.setAttribute("role", "img");
    }
}));
