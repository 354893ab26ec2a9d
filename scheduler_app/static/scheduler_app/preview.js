/* The next runs of a schedule while it is typed in. The server says when: the same code that fires. */
"use strict";

document.addEventListener("DOMContentLoaded", () => {
    const cron = document.querySelector("#id_cron_expression[data-preview]");
    if (!cron) { return; }
    const names = ["trigger", "cron_expression", "interval_seconds", "timezone", "run_calendar"];
    const inputs = names.map((name) => document.getElementById(`id_${name}`)).filter(Boolean);

    const box = document.createElement("div");
    box.className = "form-row run-preview";
    box.setAttribute("aria-live", "polite");
    box.hidden = true;
    (document.querySelector(".field-timezone")?.closest(".form-row") || cron).after(box);

    const days = cron.dataset.previewDays.split(" ");
    // 2026-03-02T18:00:00+08:00 as Mon 2026-03-02 18:00 +08:00, in the schedule's own time zone.
    const shown = (moment) => {
        const [, date, time, seconds, offset] =
            moment.match(/^(\S{10})T(\d\d:\d\d)(:\d\d)(?:\.\d+)?(\S+)$/);
        const day = days[new Date(`${date}T00:00:00Z`).getUTCDay()];
        return `${day} ${date} ${time}${seconds === ":00" ? "" : seconds} ${offset}`;
    };

    const make = (kind, className, text = "") => {
        const element = document.createElement(kind);
        element.className = className;
        element.textContent = text;
        return element;
    };

    const show = (answer) => {
        const result = answer.schedule_error
            ? make("div", "run-error", answer.schedule_error)
            : make("ol", "run-times");
        result.append(...answer.next_runs.map((moment) => make("li", "", shown(moment))));
        const notes = [
            answer.days_left_out.length
                ? `${cron.dataset.previewLeftOut}: ${answer.days_left_out.join(", ")}` : "",
            answer.calendar_doubt,
        ];
        const told = make("div", "run-previewed");
        told.append(result, ...notes.filter(Boolean).map((note) => make("span", "run-note", note)));
        box.replaceChildren(make("span", "", cron.dataset.previewTitle), told);
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
