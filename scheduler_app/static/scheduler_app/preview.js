/* The next runs of a schedule while it is typed in. The server says when: the same code that fires. */
"use strict";

document.addEventListener("DOMContentLoaded", () => {
    const cron = document.querySelector("#id_cron_expression[data-preview]");
    if (!cron) { return; }
    const names = ["trigger", "cron_expression", "interval_seconds", "timezone"];
    const inputs = names.map((name) => document.getElementById(`id_${name}`)).filter(Boolean);

    const box = document.createElement("div");
    box.className = "form-row run-preview";
    box.setAttribute("aria-live", "polite");
    box.hidden = true;
    (document.querySelector(".form-row.field-timezone") || cron).after(box);

    const days = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];
    // 2026-03-02T18:00:00+08:00 as Mon 2026-03-02 18:00 +08:00, in the schedule's own time zone.
    const shown = (moment) => {
        const [, date, time, seconds, offset] =
            moment.match(/^(\S{10})T(\d\d:\d\d)(:\d\d)(?:\.\d+)?(\S+)$/);
        const day = days[new Date(`${date}T00:00:00Z`).getUTCDay()];
        return `${day} ${date} ${time}${seconds === ":00" ? "" : seconds} ${offset}`;
    };

    const show = (answer) => {
        box.replaceChildren();
        if (answer.schedule_error) {
            const sentence = document.createElement("p");
            sentence.className = "run-error";
            sentence.textContent = answer.schedule_error;
            box.append(sentence);
        } else {
            const title = document.createElement("label");
            title.textContent = cron.dataset.previewTitle;
            const list = document.createElement("ol");
            list.className = "run-times";
            for (const moment of answer.next_runs) {
                const item = document.createElement("li");
                item.textContent = shown(moment);
                list.append(item);
            }
            box.append(title, list);
        }
        box.hidden = false;
    };

    let timer = 0;
    let asked = 0;
    const ask = async () => {
        const mine = ++asked;
        const query = new URLSearchParams(
            inputs.map((input) => [input.id.replace("id_", ""), input.value]));
        try {
            const answer = await fetch(`${cron.dataset.preview}?${query}`,
                { headers: { Accept: "application/json" }, credentials: "same-origin" });
            if (!answer.ok) { throw new Error(`HTTP ${answer.status}`); }
            const found = await answer.json();
            if (mine === asked) { show(found); }
        } catch {
            // Without an answer there is nothing to show; saving checks everything anyway.
            if (mine === asked) { box.hidden = true; }
        }
    };

    for (const input of inputs) {
        for (const event of ["input", "change"]) {
            input.addEventListener(event, () => {
                clearTimeout(timer);
                timer = setTimeout(ask, 200);
            });
        }
    }
});
