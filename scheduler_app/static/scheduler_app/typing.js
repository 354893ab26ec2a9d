/* What saving would refuse, said while it is typed in: by the same form, on the server. */
"use strict";

document.addEventListener("DOMContentLoaded", () => {
    const cron = document.querySelector("#id_cron_expression[data-check]");
    const form = cron?.form;
    if (!form) { return; }
    // Nobody is told of what they have not come to yet.
    const touched = new Set();

    const noteOf = (input) => {
        const id = `typing_${input.name}`;
        let note = document.getElementById(id);
        if (!note) {
            note = document.createElement("p");
            note.id = id;
            note.className = "run-error run-typing";
            note.setAttribute("role", "alert");
            input.after(note);
        }
        return note;
    };

    const show = (errors) => {
        for (const name of touched) {
            const input = form.elements.namedItem(name);
            if (!(input instanceof HTMLElement)) { continue; }
            const sentences = errors[name] || [];
            const note = noteOf(input);
            note.textContent = sentences.join(" ");
            note.hidden = sentences.length === 0;
            input.toggleAttribute("aria-invalid", sentences.length > 0);
            if (sentences.length) { input.setAttribute("aria-describedby", note.id); }
        }
    };

    let timer = 0;
    let asked = 0;
    const ask = async () => {
        const mine = ++asked;
        try {
            const answer = await fetch(cron.dataset.check,
                { method: "POST", body: new FormData(form), credentials: "same-origin" });
            if (answer.ok && mine === asked) { show((await answer.json()).errors); }
        } catch {
            // Without an answer there is nothing to say; saving checks everything anyway.
        }
    };

    for (const event of ["input", "change"]) {
        form.addEventListener(event, ({ target }) => {
            if (!target.name) { return; }
            touched.add(target.name);
            clearTimeout(timer);
            timer = setTimeout(ask, 300);
        });
    }

    // What a job takes is asked for once it is chosen.
    document.querySelector("select#id_job_id")?.addEventListener("change", ({ target }) => {
        clearTimeout(timer);
        window.location.search = new URLSearchParams({ job_id: target.value });
    });
});
