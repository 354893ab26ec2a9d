/* A moment in the time zone of whoever looks, beside the one that the server shows. */
"use strict";

window.tellHere = (time) => {
    const moment = new Date(time.dateTime);
    const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
    // The same hour of the same day: there is nothing to add.
    const offset = -moment.getTimezoneOffset();
    const [, sign, hours, minutes] = time.dateTime.match(/([+-])(\d\d):(\d\d)$/) || [, "+", "0", "0"];
    if (Number(`${sign}1`) * (Number(hours) * 60 + Number(minutes)) === offset) { return; }
    const parts = Object.fromEntries(new Intl.DateTimeFormat(document.documentElement.lang, {
        weekday: "short", year: "numeric", month: "2-digit", day: "2-digit",
        hour: "2-digit", minute: "2-digit", hourCycle: "h23",
    }).formatToParts(moment).map(({ type, value }) => [type, value]));
    const here = document.createElement("span");
    here.className = "run-here";
    here.textContent = `${parts.weekday} ${parts.year}-${parts.month}-${parts.day} `
        + `${parts.hour}:${parts.minute} ${zone}`;
    time.after(" ", here);
};

document.addEventListener("DOMContentLoaded", () => {
    document.querySelectorAll("time[data-here]").forEach(window.tellHere);
});
