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
    const LEFT_OUT_AT_MOST = 31;
    const dated = (date) => `${days[new Date(`${date}T00:00:00Z`).getUTCDay()]} ${date}`;
    // 2026-03-02T18:00:00+08:00 as Mon 2026-03-02 18:00 +08:00, in the schedule's own time zone.
    const shown = (moment) => {
        const [, date, time, seconds, offset] =
            moment.match(/^(\S{10})T(\d\d:\d\d)(:\d\d)(?:\.\d+)?(\S+)$/);
        return `${dated(date)} ${time}${seconds === ":00" ? "" : seconds} ${offset}`;
    };

    const make = (kind, className, text = "") => {
        const element = document.createElement(kind);
        element.className = className;
        element.textContent = text;
        return element;
    };

    // A run, and a day that the calendar leaves out, at its place among them.
    const row = ({ moment, day }) => {
        if (day) {
            const item = make("li", "run-left-out");
            item.append(make("s", "", dated(day)), ` ${cron.dataset.previewLeftOut}`);
            return item;
        }
        const item = make("li", "");
        const time = make("time", "", shown(moment));
        time.dateTime = moment;
        item.append(time);
        window.tellHere?.(time);
        return item;
    };

    const show = (answer) => {
        const result = answer.schedule_error
            ? make("div", "run-error", answer.schedule_error)
            : make("ol", "run-times");
        const rows = [
            ...answer.next_runs.map((moment) => ({ moment, at: moment.slice(0, 10) })),
            ...answer.days_left_out.slice(0, LEFT_OUT_AT_MOST).map((day) => ({ day, at: day })),
        ];
        rows.sort((one, other) => (one.at < other.at ? -1 : Number(one.at > other.at)));
        result.append(...rows.map(row));
        const more = answer.days_left_out.length - LEFT_OUT_AT_MOST;
        const notes = [
            more > 0 ? `+${more}: ${cron.dataset.previewLeftOut}` : "",
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
