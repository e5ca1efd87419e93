#include <fmt/format.h>

#include "report/page_parts.hpp"
#include "report/palette.hpp"

namespace ddls::report {
namespace {

constexpr std::string_view style_sheet = R"css(
*{box-sizing:border-box}
html{scroll-padding-top:56px;-webkit-text-size-adjust:100%}
body{margin:0;background:var(--page);color:var(--ink);font:16px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,sans-serif}
main{max-width:1560px;margin:0 auto;padding:20px 24px 60px}
nav{position:sticky;top:0;z-index:3;background:var(--page);border-bottom:1px solid var(--line);overflow-x:auto;scrollbar-width:thin}
nav ul{display:flex;gap:4px;max-width:1560px;margin:0 auto;padding:6px 18px;list-style:none;width:max-content;min-width:100%}
nav a{display:block;padding:5px 8px;border-radius:4px;color:var(--soft);font-size:.88rem;text-decoration:none;white-space:nowrap}
nav a:hover{color:var(--ink);background:var(--card)}
:focus-visible{outline:2px solid var(--c2);outline-offset:2px}
a{color:var(--c2)}
h1{font-size:1.9rem;line-height:1.2;margin:0;overflow-wrap:anywhere}
h2{font-size:1.25rem;margin:44px 0 10px;padding-bottom:4px;border-bottom:1px solid var(--line)}
h3{font-size:1rem;margin:24px 0 6px}
p{margin:8px 0;max-width:80ch}
.lead{white-space:pre-line;font-size:1.08rem;margin:16px 0 4px;padding:12px 16px;max-width:none;border-left:4px solid var(--c2);background:var(--card);overflow-wrap:anywhere}
.note,figcaption,.facts{color:var(--soft);font-size:.88rem}
.facts{display:flex;flex-wrap:wrap;gap:2px 22px;margin:10px 0 0;padding:0;list-style:none}
.facts b{color:var(--ink);font-weight:600;overflow-wrap:anywhere}
.scroll{overflow-x:auto;max-width:100%;margin:10px 0;scrollbar-width:thin;background:linear-gradient(var(--page),var(--page)) right/18px 100% no-repeat local,linear-gradient(to left,var(--shade),transparent) right/18px 100% no-repeat scroll}
table{border-collapse:separate;border-spacing:0;font-size:.94rem;font-variant-numeric:tabular-nums}
caption,.sr{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%);white-space:nowrap}
th,td{padding:5px 9px;text-align:right;border-bottom:1px solid var(--line);white-space:nowrap;font-weight:400}
thead th{font-weight:600;font-size:.83rem;vertical-align:bottom;white-space:normal;min-width:4.6em}
th:first-child{position:sticky;left:0;z-index:1;text-align:left;padding-left:4px;background:var(--page);box-shadow:1px 0 0 var(--line)}
.text th:first-child{max-width:min(44vw,26em);white-space:normal;overflow-wrap:anywhere}
th small{display:block;font-weight:400;color:var(--soft)}
tbody th small{font-size:.8rem}
td small{color:var(--soft)}
td.na{color:var(--soft);font-size:.84rem;white-space:normal}
td.why{min-width:9em}
td.best{font-weight:700}
tr.real td,tr.real th{color:var(--soft)}
tbody tr:hover td,tbody tr:hover th{background:var(--card)}
.dot{display:inline-block;width:1.5em;margin-right:.5em;vertical-align:.22em;border-top:.24em solid var(--c)}
.dot.d1{border-top-style:dashed}
.dot.d2{border-top-style:dotted}
figure{margin:14px 0;break-inside:avoid;min-width:0}
img{max-width:100%;height:auto;display:block;border-radius:4px;border:1px solid var(--line);background:#fff}
img[hidden]{display:none}
figcaption{margin-top:4px;max-width:80ch}
.wall{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,420px),1fr));gap:12px 20px;align-items:start}
.wall figure{margin:4px 0}
.tools{display:flex;flex-wrap:wrap;align-items:center;gap:6px;margin:5px 0 0;font-size:.82rem;color:var(--soft)}
.tools input{flex:1 1 140px;min-width:90px;accent-color:var(--c2)}
.tools output{min-width:7em}
button{font:inherit;padding:2px 9px;border:1px solid var(--line);border-radius:4px;background:var(--card);color:var(--soft);cursor:pointer}
button:hover{color:var(--ink);border-color:var(--soft)}
button:disabled{opacity:.45;cursor:default}
svg{width:100%;height:auto;display:block;background:var(--card);border-radius:4px;break-inside:avoid}
svg text{font-family:inherit;font-size:13px}
svg .t{fill:var(--ink);font-size:14.5px;font-weight:600}
svg .k{fill:var(--soft);font-size:12.5px}
svg .n{fill:var(--ink);font-size:12.5px}
svg .m{text-anchor:middle}
svg .e{text-anchor:end}
svg .l{font-weight:600}
svg .g{stroke:var(--line);stroke-width:1}
svg .a{stroke:var(--soft);stroke-width:1;fill:none}
svg .d{stroke:var(--c0);stroke-width:1.4;stroke-dasharray:5 4;fill:none}
svg .s{fill:none;stroke-width:2;stroke-linejoin:round;stroke-linecap:butt}
svg polyline.s:hover{stroke-width:3.6}
pre{font-size:.8rem;line-height:1.45;overflow-x:auto;background:var(--card);padding:12px;border-radius:4px}
details{margin:10px 0}summary{cursor:pointer;font-weight:600}
.text td{text-align:left;white-space:normal;overflow-wrap:anywhere;min-width:7em}
.text thead th{text-align:left}
.bar{height:10px;border-radius:5px;background:var(--line);overflow:hidden;min-width:140px}
.bar i{display:block;height:100%;background:var(--c2)}
@media(max-width:600px){main{padding:14px 12px 40px}nav ul{padding:4px 6px}h1{font-size:1.5rem}th,td{padding:5px 8px}.lead{font-size:1rem;padding:10px 12px}}
@media screen and (prefers-color-scheme:dark){img.drawing{filter:invert(.9) hue-rotate(180deg)}img{border-color:transparent}img.photo{filter:brightness(.92)}}
@media print{main{max-width:none;padding:0}h2{break-after:avoid}.scroll{overflow:visible}nav,.tools{display:none}img[hidden]{display:none}}
)css";

std::string colours(bool dark) {
  std::string text =
      dark
          ? "--page:#14171c;--card:#1c2027;--ink:#e8eaee;--soft:#a3abb8;--line:#353b45;--shade:#0009;color-scheme:dark;"
          : "--page:#fff;--card:#f6f7f9;--ink:#1d2127;--soft:#5d6673;--line:#d9dde3;--shade:#0002;color-scheme:light;";
  for (int colour = 0; colour < colour_count; ++colour)
    text += fmt::format("--c{}:{};", colour, colour_hex(colour, dark));
  return text;
}

}  // namespace

std::string page_style() {
  return fmt::format(":root{{{}}}\n@media screen and (prefers-color-scheme:dark){{:root{{{}}}}}{}", colours(false),
                     colours(true), style_sheet);
}

}  // namespace ddls::report
