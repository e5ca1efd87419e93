#include "report/html.hpp"

#include <fmt/format.h>

#include "base/json_text.hpp"
#include "report/palette.hpp"

namespace ddls::report {
namespace {

constexpr std::string_view style_sheet = R"css(
*{box-sizing:border-box}
body{margin:0;background:var(--page);color:var(--ink);font:16px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,sans-serif}
main{max-width:1200px;margin:0 auto;padding:24px 20px 60px}
h1{font-size:1.9rem;line-height:1.2;margin:0;overflow-wrap:anywhere}
h2{font-size:1.25rem;margin:44px 0 10px;padding-bottom:4px;border-bottom:1px solid var(--line)}
h3{font-size:1rem;margin:24px 0 6px}
p{margin:8px 0;max-width:75ch}
.lead{white-space:pre-line;font-size:1.15rem;margin:16px 0 4px;padding:12px 16px;max-width:none;border-left:4px solid var(--c2);background:var(--card)}
.note,figcaption,.facts{color:var(--soft);font-size:.88rem}
.facts{display:flex;flex-wrap:wrap;gap:2px 22px;margin:10px 0 0;padding:0;list-style:none}
.facts b{color:var(--ink);font-weight:600}
.scroll{overflow-x:auto}
table{border-collapse:collapse;font-variant-numeric:tabular-nums;margin:10px 0}
th,td{padding:6px 12px;text-align:right;border-bottom:1px solid var(--line);white-space:nowrap}
th{font-weight:600;font-size:.86rem;vertical-align:bottom}
th:first-child,td:first-child{text-align:left;padding-left:6px}
th small{display:block;font-weight:400;color:var(--soft)}
td small{color:var(--soft)}
td.na{color:var(--soft);font-size:.84rem;white-space:normal;min-width:9em}
td.best{font-weight:700}
tr.real td{color:var(--soft)}
.dot{display:inline-block;width:.7em;height:.7em;border-radius:50%;margin-right:.5em;background:var(--c)}
.dot.d1{border-radius:0;background:linear-gradient(90deg,var(--c) 38%,transparent 38% 62%,var(--c) 62%)}
.dot.d2{background:none;box-shadow:inset 0 0 0 .17em var(--c)}
figure{margin:14px 0;break-inside:avoid}
img{max-width:100%;height:auto;display:block;border-radius:4px;border:1px solid var(--line);background:#fff}
figcaption{margin-top:4px;max-width:80ch}
.wall{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,360px),1fr));gap:12px 20px;align-items:start}
svg{width:100%;height:auto;display:block;background:var(--card);border-radius:4px;break-inside:avoid}
svg text{font-family:inherit;font-size:12px}
svg .t{fill:var(--ink);font-size:13.5px;font-weight:600}
svg .k{fill:var(--soft);font-size:11.5px}
svg .m{text-anchor:middle}
svg .e{text-anchor:end}
svg .l{font-weight:600}
svg .g{stroke:var(--line);stroke-width:1}
svg .a{stroke:var(--soft);stroke-width:1;fill:none}
svg .d{stroke:var(--c0);stroke-width:1.4;stroke-dasharray:5 4;fill:none}
svg .s{fill:none;stroke-width:2;stroke-linejoin:round;stroke-linecap:round}
pre{font-size:.8rem;line-height:1.45;overflow-x:auto;background:var(--card);padding:12px;border-radius:4px}
details{margin:10px 0}summary{cursor:pointer;font-weight:600}
.text td{text-align:left;white-space:normal;overflow-wrap:anywhere}
@media(max-width:600px){main{padding:16px 12px 40px}h1{font-size:1.5rem}th,td{padding:5px 8px}}
@media print{main{max-width:none;padding:0}h2{break-after:avoid}.scroll{overflow:visible}}
)css";

std::string colours(bool dark) {
  std::string text =
      dark ? "--page:#14171c;--card:#1c2027;--ink:#e8eaee;--soft:#a3abb8;--line:#353b45;color-scheme:dark;"
           : "--page:#fff;--card:#f6f7f9;--ink:#1d2127;--soft:#5d6673;--line:#d9dde3;color-scheme:light;";
  for (int colour = 0; colour < colour_count; ++colour)
    text += fmt::format("--c{}:{};", colour, colour_hex(colour, dark));
  return text;
}

}  // namespace

std::string escape(std::string_view text) {
  std::string result;
  for (const char c : as_utf8(text)) {
    switch (c) {
      case '&':
        result += "&amp;";
        break;
      case '<':
        result += "&lt;";
        break;
      case '>':
        result += "&gt;";
        break;
      case '"':
        result += "&quot;";
        break;
      case '\'':
        result += "&#39;";
        break;
      default:
        result += static_cast<unsigned char>(c) < 32 && c != '\n' && c != '\t' ? ' ' : c;
    }
  }
  return result;
}

std::string base64(std::string_view bytes) {
  constexpr std::string_view digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string result;
  result.reserve((bytes.size() + 2) / 3 * 4);
  for (size_t i = 0; i < bytes.size(); i += 3) {
    const auto byte = [&](size_t k) -> uint32_t {
      return k < bytes.size() ? static_cast<unsigned char>(bytes[k]) : 0u;
    };
    const uint32_t word = byte(i) << 16 | byte(i + 1) << 8 | byte(i + 2);
    result += digits[word >> 18];
    result += digits[word >> 12 & 63];
    result += i + 1 < bytes.size() ? digits[word >> 6 & 63] : '=';
    result += i + 2 < bytes.size() ? digits[word & 63] : '=';
  }
  return result;
}

std::string page(const std::string& title, const std::string& body) {
  return fmt::format(
      "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"/>"
      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/><title>{}</title>\n"
      "<style>:root{{{}}}\n@media screen and (prefers-color-scheme:dark){{:root{{{}}}}}{}</style>"
      "</head>\n<body><main>\n{}</main></body></html>\n",
      escape(title), colours(false), colours(true), style_sheet, body);
}

std::string section(const std::string& title, const std::string& body) {
  return body.empty() ? body : fmt::format("<section><h2>{}</h2>\n{}</section>\n", escape(title), body);
}

std::string note(const std::string& text) { return fmt::format("<p class=\"note\">{}</p>\n", escape(text)); }

std::string figure(std::string_view png, const std::string& caption) {
  const std::string text = escape(caption);
  return fmt::format("<figure><img alt=\"{}\" src=\"data:image/png;base64,{}\"/><figcaption>{}</figcaption></figure>\n",
                     text, base64(png), text);
}

std::string table(const std::string& heads, const std::string& rows, bool text) {
  return fmt::format("<div class=\"scroll\"><table{}><thead><tr>{}</tr></thead><tbody>\n{}</tbody></table></div>\n",
                     text ? " class=\"text\"" : "", heads, rows);
}

std::string folded(const std::string& title, const std::string& body) {
  return fmt::format("<details><summary>{}</summary>\n{}</details>\n", escape(title), body);
}

}  // namespace ddls::report
