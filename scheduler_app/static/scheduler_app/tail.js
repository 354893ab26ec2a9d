/* The log of a run under way, as it grows. The server is asked every two seconds until it ends. */
"use strict";

document.addEventListener("DOMContentLoaded", () => {
    const log = document.querySelector("[data-tail]");
    if (!log) { return; }
    const seconds = Number(log.dataset.seconds) || 2;

    const follow = async () => {
        try {
            const answer = await fetch(log.dataset.tail,
                { headers: { Accept: "application/json" }, credentials: "same-origin" });
            // Logged out, or gone: there is nothing to follow any more.
            if (!answer.ok || answer.redirected) { return; }
            const found = await answer.json();
            if (found.ended) {
                window.location.reload();
                return;
            }
            // Who has scrolled up to read is left there.
            const atEnd = log.scrollHeight - log.scrollTop - log.clientHeight < 40;
            if (log.textContent !== found.log) {
                log.textContent = found.log;
                if (atEnd) { log.scrollTop = log.scrollHeight; }
            }
        } catch {
            // The web process may be starting again: the next question finds it.
        }
        setTimeout(follow, seconds * 1000);
    };
    log.scrollTop = log.scrollHeight;
    setTimeout(follow, seconds * 1000);
});
