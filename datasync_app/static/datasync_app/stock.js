/* A stock's candlesticks and volume, and why a trading day has none. All of it comes from our API. */
"use strict";

document.addEventListener("DOMContentLoaded", () => {
    const section = document.getElementById("stock");
    if (!section) { return; }
    const words = section.dataset;
    const holder = section.querySelector(".stock-chart");
    const told = section.querySelector(".stock-told");
    const controls = section.querySelector(".stock-controls");
    const absentRows = section.querySelector(".stock-absent");
    const { start, end, adjust } = controls.elements;

    // Red rises and green falls, as on every Chinese screen.
    const UP = "#d64545";
    const DOWN = "#2e9e5b";
    const MARKS = { suspended: "#f59e0b55", wrong: "#b91c1c55", other: "#64748b40" };
    const WRONG = new Set(["not_good", "quarantined", "unknown"]);
    const markOf = (kind) =>
        kind === "suspended" ? "suspended" : WRONG.has(kind) ? "wrong" : "other";

    const chart = LightweightCharts.createChart(holder, {
        autoSize: true,
        rightPriceScale: { borderVisible: false },
        timeScale: { borderVisible: false },
        // A finger that goes up or down scrolls the page.
        handleScroll: { vertTouchDrag: false },
    });
    const marks = chart.addSeries(LightweightCharts.HistogramSeries, {
        priceScaleId: "marks", lastValueVisible: false, priceLineVisible: false,
    });
    chart.priceScale("marks").applyOptions({ visible: false, scaleMargins: { top: 0, bottom: 0 } });
    const candles = chart.addSeries(LightweightCharts.CandlestickSeries, {
        upColor: UP, borderUpColor: UP, wickUpColor: UP,
        downColor: DOWN, borderDownColor: DOWN, wickDownColor: DOWN,
    });
    const volume = chart.addSeries(LightweightCharts.HistogramSeries,
        { priceFormat: { type: "volume" }, lastValueVisible: false, priceLineVisible: false }, 1);
    chart.panes()[1].setStretchFactor(0.4);

    const dress = () => {
        const dark = document.documentElement.classList.contains("dark");
        const line = dark ? "#33415580" : "#e2e8f0";
        chart.applyOptions({
            layout: { background: { color: "transparent" }, textColor: dark ? "#cbd5e1" : "#334155",
                panes: { separatorColor: line } },
            grid: { vertLines: { color: line }, horzLines: { color: line } },
        });
    };
    dress();
    new MutationObserver(dress).observe(document.documentElement, { attributeFilter: ["class"] });

    let days = [];
    let byDay = new Map();
    let chosen = -1;
    const number = (value) => value === null ? "–" : value.toLocaleString("en", { maximumFractionDigits: 2 });
    const say = (day) => {
        const { bar, absence } = byDay.get(day) || {};
        if (absence) {
            told.textContent = `${day}: ${absence.reason}`;
        } else if (bar) {
            const change = bar.pct_chg === null ? "" : ` (${bar.pct_chg > 0 ? "+" : ""}${number(bar.pct_chg)} %)`;
            told.textContent = `${day}: ${words.wordsOpen} ${number(bar.open)}, ${words.wordsHigh} ` +
                `${number(bar.high)}, ${words.wordsLow} ${number(bar.low)}, ${words.wordsClose} ` +
                `${number(bar.close)}${change}, ${words.wordsVolume} ${number(bar.vol)}`;
        }
    };

    chart.subscribeCrosshairMove((event) => {
        if (event.time) {
            chosen = days.indexOf(event.time);
            say(event.time);
        }
    });
    const STEPS = { ArrowLeft: -1, ArrowRight: 1, PageUp: -20, PageDown: 20, Home: -Infinity, End: Infinity };
    holder.addEventListener("keydown", (event) => {
        const step = STEPS[event.key];
        if (step === undefined || !days.length) { return; }
        event.preventDefault();
        const from = chosen < 0 ? days.length : chosen;
        chosen = Math.min(Math.max(from + step, 0), days.length - 1);
        const { bar } = byDay.get(days[chosen]);
        chart.setCrosshairPosition(bar?.close ?? 0, days[chosen], candles);
        say(days[chosen]);
    });

    const make = (kind, text = "") => {
        const element = document.createElement(kind);
        element.textContent = text;
        return element;
    };
    // Days that follow each other for the same reason are one line.
    const runs = (absent) => absent.reduce((found, each) => {
        const last = found.at(-1);
        const follows = last && days.indexOf(each.trade_date) === days.indexOf(last.until) + 1;
        if (follows && last.reason === each.reason) {
            last.until = each.trade_date;
        } else {
            found.push({ ...each, until: each.trade_date });
        }
        return found;
    }, []);
    const list = (answer) => {
        const lines = runs(answer.absent).reverse().map((each) => {
            const row = make("tr");
            const day = make("th", each.trade_date === each.until
                ? each.trade_date : `${each.trade_date} – ${each.until}`);
            day.scope = "row";
            const why = make("td", each.reason);
            if (each.cell_id !== null) {
                const link = make("a", words.wordsCell);
                link.href = words.cell.replace("/0/", `/${each.cell_id}/`);
                why.append(" ", link);
            }
            row.append(day, why);
            return row;
        });
        if (answer.doubt || !lines.length) {
            const row = make("tr");
            const only = make("td", answer.doubt || words.wordsAll);
            only.colSpan = 2;
            row.append(only);
            lines.push(row);
        }
        absentRows.replaceChildren(...lines);
    };

    const show = (answer) => {
        byDay = new Map();
        answer.bars.forEach((bar) => byDay.set(bar.trade_date, { bar }));
        answer.absent.forEach((absence) => byDay.set(absence.trade_date, { absence }));
        days = [...byDay.keys()].sort();
        chosen = -1;
        const known = (bar) => [bar.open, bar.high, bar.low, bar.close].every((price) => price !== null);
        candles.setData(days.map((day) => {
            const { bar } = byDay.get(day);
            return bar && known(bar)
                ? { time: day, open: bar.open, high: bar.high, low: bar.low, close: bar.close }
                : { time: day };
        }));
        volume.setData(days.map((day) => {
            const { bar } = byDay.get(day);
            return bar && bar.vol !== null
                ? { time: day, value: bar.vol, color: bar.close >= bar.open ? `${UP}99` : `${DOWN}99` }
                : { time: day };
        }));
        marks.setData(answer.absent.map((each) =>
            ({ time: each.trade_date, value: 1, color: MARKS[markOf(each.kind)] })));
        chart.timeScale().fitContent();
        start.value = answer.start;
        end.value = answer.end;
        told.textContent = answer.bars.length ? "" : words.wordsNone;
        if (answer.bars.length) { say(answer.bars.at(-1).trade_date); }
        list(answer);
    };

    let asked = 0;
    const ask = async () => {
        const mine = ++asked;
        const query = new URLSearchParams({ adjust: adjust.value });
        for (const input of [start, end]) {
            if (input.value) { query.set(input.name, input.value.replaceAll("-", "")); }
        }
        section.setAttribute("aria-busy", "true");
        try {
            const answer = await fetch(`${words.bars}?${query}`, { credentials: "same-origin" });
            const body = await answer.json();
            if (mine !== asked) { return; }
            if (answer.ok) { show(body); } else { told.textContent = body.detail; }
        } catch {
            if (mine === asked) { told.textContent = words.wordsFailed; }
        } finally {
            if (mine === asked) { section.removeAttribute("aria-busy"); }
        }
    };

    controls.addEventListener("submit", (event) => event.preventDefault());
    controls.addEventListener("change", ask);
    for (const button of controls.querySelectorAll("[data-days]")) {
        button.addEventListener("click", () => {
            const last = new Date(end.value || words.newest || Date.now());
            last.setUTCDate(last.getUTCDate() - Number(button.dataset.days));
            start.value = last.toISOString().slice(0, 10);
            ask();
        });
    }
    ask();

    const search = document.getElementById("stock-q");
    const found = document.getElementById("stock-found");
    let timer = 0;
    search.addEventListener("input", () => {
        clearTimeout(timer);
        timer = setTimeout(async () => {
            const text = search.value.trim();
            if (!text) { found.replaceChildren(); return; }
            const answer = await fetch(`${search.dataset.search}?${new URLSearchParams({ q: text, limit: 10 })}`);
            if (!answer.ok || text !== search.value.trim()) { return; }
            const { results } = await answer.json();
            found.replaceChildren(...results.map((stock) => {
                const option = make("option", stock.name ?? "");
                option.value = stock.ts_code;
                return option;
            }));
        }, 200);
    });
    search.form.addEventListener("submit", (event) => {
        const options = [...found.options];
        const text = search.value.trim();
        const only = options.find((option) => option.value.toLowerCase() === text.toLowerCase())
            ?? (options.length === 1 ? options[0] : null);
        if (only) {
            event.preventDefault();
            window.location.assign(search.dataset.page.replace("CODE", encodeURIComponent(only.value)));
        }
    });
});
