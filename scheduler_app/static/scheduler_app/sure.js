/* A button with `data-sure` asks that question before its form is sent. */
"use strict";

document.addEventListener("submit", (event) => {
    const question = event.submitter?.dataset.sure;
    if (question && !window.confirm(question)) { event.preventDefault(); }
});
