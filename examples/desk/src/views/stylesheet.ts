// The one style sheet; the colours of the brand come as variables from layout.ts.

export const stylesheet = `
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; }
body { margin: 0; background: var(--page); color: #1c2330; font: 16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif; overflow-wrap: anywhere; }
.wrap { max-width: 74rem; margin: 0 auto; padding: 0 1.25rem; }
main.wrap { padding-top: 2rem; padding-bottom: 4rem; }
h1 { font-size: 1.75rem; line-height: 1.2; margin: 0; letter-spacing: -.015em; }
h2 { font-size: 1.05rem; margin: 0 0 1rem; }
p { margin: 0 0 1rem; }
a { color: var(--brand-text); }
:focus-visible { outline: 3px solid var(--brand-text); outline-offset: 2px; }
.skip { position: absolute; left: -999rem; background: #fff; padding: .5rem 1rem; z-index: 1; }
.skip:focus { left: 0; }
.muted { color: #5b6472; }
.small { font-size: .875rem; }

.bar { background: var(--brand); color: var(--on-brand); }
.bar .wrap { display: flex; flex-wrap: wrap; align-items: center; gap: .5rem 1.5rem; min-height: 4rem; padding-top: .625rem; padding-bottom: .625rem; }
.bar a { color: inherit; text-decoration: none; }
.bar :focus-visible { outline-color: var(--on-brand); }
.company { display: flex; align-items: center; gap: .75rem; font-weight: 650; font-size: 1.0625rem; }
.monogram { display: grid; place-items: center; flex: none; width: 2.25rem; height: 2.25rem; border-radius: .625rem; background: var(--on-brand); color: var(--brand); font-size: .875rem; font-weight: 700; }
.bar nav { display: flex; gap: .25rem; }
.bar nav a { padding: .375rem .75rem; border-radius: .5rem; font-weight: 550; border: 2px solid transparent; }
.bar nav a:hover { text-decoration: underline; text-underline-offset: .25em; }
.bar nav a[aria-current] { border-color: currentColor; }
.who { display: flex; align-items: center; gap: .75rem; margin-left: auto; font-size: .875rem; min-width: 0; }
.who span { overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }

.head { display: flex; flex-wrap: wrap; align-items: center; justify-content: space-between; gap: 1rem; margin-bottom: 1.5rem; min-height: 2.75rem; }
.card { background: #fff; border: 1px solid #e0e4ea; border-radius: .875rem; padding: 1.25rem; box-shadow: 0 1px 2px rgb(16 24 40 / 5%); }
.columns { display: grid; grid-template-columns: minmax(0, 1fr) 20rem; gap: 1.5rem; align-items: start; }
.halves { display: grid; grid-template-columns: repeat(2, minmax(0, 1fr)); gap: 1.5rem; align-items: start; }
.figures { display: grid; grid-template-columns: repeat(auto-fit, minmax(11rem, 1fr)); gap: 1rem; margin: 0 0 1.5rem; }
.figures div { background: #fff; border: 1px solid #e0e4ea; border-left: 4px solid var(--brand); border-radius: .375rem .875rem .875rem .375rem; padding: 1rem 1.25rem; }
.figures dt { color: #5b6472; font-size: .875rem; }
.figures dd { margin: 0; font-size: 1.625rem; font-weight: 680; letter-spacing: -.02em; font-variant-numeric: tabular-nums; }

table { width: 100%; border-collapse: collapse; font-size: .9375rem; }
.stack { display: grid; gap: 1rem; }
th { text-align: left; font-size: .8125rem; font-weight: 600; color: #5b6472; padding: 0 .75rem .5rem 0; border-bottom: 1px solid #e0e4ea; }
td { padding: .75rem .75rem .75rem 0; border-bottom: 1px solid #eef0f4; vertical-align: top; }
tr:last-child td { border-bottom: 0; padding-bottom: 0; }
td:first-child a { font-weight: 600; text-decoration: none; }
td:first-child a:hover { text-decoration: underline; }
.nowrap { white-space: nowrap; }
.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
td:last-child, th:last-child { padding-right: 0; }
.list { list-style: none; margin: 0; padding: 0; }
.list li { display: flex; justify-content: space-between; gap: 1rem; padding: .625rem 0; border-bottom: 1px solid #eef0f4; }
.list li:last-child { border-bottom: 0; padding-bottom: 0; }

.list li > :last-child { text-align: right; }
.list a { font-weight: 600; text-decoration: none; }
.list a:hover { text-decoration: underline; }
.stage { display: inline-block; padding: .0625rem .5rem; border-radius: 99rem; font-size: .8125rem; font-weight: 600; background: #e9ecf2; color: #374151; white-space: nowrap; }
.stage.won { background: #d9f2e1; color: #14532d; }
.stage.lost { background: #fbe3e1; color: #7f1d1d; }
.empty { text-align: center; padding: 1.5rem 0; color: #5b6472; margin: 0; }

label { display: block; font-size: .875rem; font-weight: 600; margin-bottom: .25rem; }
.field { margin-bottom: 1rem; }
input, select, textarea { width: 100%; font: inherit; color: inherit; background: #fff; padding: .5rem .75rem; border: 1px solid #868e9c; border-radius: .5rem; min-height: 2.75rem; }
textarea { min-height: 6rem; resize: vertical; }
[aria-invalid] { border-color: #b42318; border-width: 2px; }
.wrong { color: #b42318; font-size: .875rem; margin: .25rem 0 0; }
.hint { color: #5b6472; font-size: .8125rem; margin: .25rem 0 0; }
.alert { background: #fdeceb; color: #7f1d1d; border: 1px solid #f3b7b2; border-radius: .5rem; padding: .625rem .875rem; margin-bottom: 1rem; }
button, .button { display: inline-flex; align-items: center; justify-content: center; font: inherit; font-weight: 620; min-height: 2.75rem; padding: .5rem 1.125rem; border: 1px solid color-mix(in srgb, var(--brand), #000 20%); border-radius: .5rem; background: var(--brand); color: var(--on-brand); text-decoration: none; cursor: pointer; }
button:hover, .button:hover { box-shadow: inset 0 0 0 99rem rgb(127 127 127 / 18%); }
button.wide { width: 100%; }
button.quiet { background: transparent; color: inherit; border-color: currentColor; min-height: 2.25rem; padding: .25rem .75rem; }
button.danger { background: #fff; color: #b42318; border-color: #b42318; }
.actions { display: flex; flex-wrap: wrap; gap: .75rem; align-items: center; }
.search { display: flex; gap: .5rem; margin-bottom: 1.25rem; }
.search input { flex: 1; }
.pager { margin: 1.25rem 0 0; }

.hero { text-align: center; padding: 3.5rem 0 2rem; }
.hero .monogram { width: 5rem; height: 5rem; border-radius: 1.375rem; font-size: 1.875rem; margin: 0 auto 1.5rem; background: var(--brand); color: var(--on-brand); }
.hero h1 { font-size: clamp(2rem, 6vw, 3rem); margin-bottom: .75rem; }
.hero p { font-size: 1.125rem; max-width: 34rem; margin: 0 auto 2rem; color: #5b6472; }
.narrow { max-width: 25rem; margin: 1.5rem auto 0; }
.narrow .card { padding: 1.75rem; }
.narrow h1 { margin-bottom: 1.25rem; }

@media (max-width: 52rem) {
  .columns, .halves { grid-template-columns: minmax(0, 1fr); }
  .bar nav { order: 3; width: 100%; margin-left: -.75rem; }
  .who span { display: none; }
  main.wrap { padding-top: 1.5rem; }
}
@media (max-width: 40rem) {
  thead { position: absolute; left: -999rem; }
  tr { display: block; padding: .75rem 0; border-bottom: 1px solid #eef0f4; }
  tr:last-child { border-bottom: 0; padding-bottom: 0; }
  td { display: flex; justify-content: space-between; gap: 1rem; padding: .125rem 0; border: 0; text-align: right; }
  td:first-child { text-align: left; font-size: 1.0625rem; }
  td:empty { display: none; }
  td[data-label]::before { content: attr(data-label); color: #5b6472; font-size: .875rem; }
}
`;
