#include "report/html.hpp"

#include <fmt/format.h>

#include <cctype>

#include "base/json_text.hpp"
#include "report/page_parts.hpp"

namespace ddls::report {
namespace {

// "Along the chains" -> "along-the-chains": ids, and names of files.
std::string slug(const std::string& title) {
  std::string id;
  for (const char c : title) {
    const auto letter = static_cast<unsigned char>(c);
    if (letter < 128 && std::isalnum(letter))
      id += static_cast<char>(std::tolower(letter));
    else if (!id.empty() && id.back() != '-')
      id += '-';
  }
  while (!id.empty() && id.back() == '-') id.pop_back();
  return id;
}

constexpr std::string_view section_start = "<section id=\"", heading_start = "\"><h2>";

// Links to the sections of a body.
std::string contents(const std::string& body) {
  std::string links;
  for (size_t at = body.find(section_start); at != std::string::npos; at = body.find(section_start, at)) {
    at += section_start.size();
    const size_t id_end = body.find(heading_start, at), title = id_end + heading_start.size();
    links += fmt::format("<li><a href=\"#{}\">{}</a></li>\n", body.substr(at, id_end - at),
                         body.substr(title, body.find("</h2>", title) - title));
  }
  return links.empty() ? links : "<nav aria-label=\"Sections\"><ul>\n" + links + "</ul></nav>\n";
}

std::string named(const std::string& name) {
  return name.empty() ? std::string() : fmt::format(" data-name=\"{}\"", slug(name));
}

std::string data_element(const std::string& json) {
  return json.empty() ? json : "<script type=\"application/json\">" + json_in_page(json) + "</script>";
}

const char* class_of(Paper paper) { return paper == Paper::drawing ? "drawing" : "photo"; }

std::string picture(std::string_view png, Paper paper, const std::string& alt, const std::string& more = {}) {
  return fmt::format("<img class=\"{}\" alt=\"{}\"{} src=\"data:image/png;base64,{}\"/>", class_of(paper), escape(alt),
                     more, base64(png));
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

std::string json_in_page(std::string json) {
  std::string result;
  for (const char c : json) {
    if (c == '<' || c == '>' || c == '&')
      result += fmt::format("\\u{:04x}", static_cast<unsigned>(c));
    else
      result += c;
  }
  return result;
}

std::string page(const std::string& title, const std::string& body, int reload_s) {
  const std::string reload = reload_s > 0 ? fmt::format(" data-reload=\"{}\"", reload_s) : std::string();
  return fmt::format(
      "<!DOCTYPE html>\n<html lang=\"en\"{}><head><meta charset=\"utf-8\"/>"
      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/><link rel=\"icon\" href=\"data:,\"/>"
      "<title>{}</title>\n<style>{}</style></head>\n<body>{}<main>\n{}</main><script>{}</script></body></html>\n",
      reload, escape(title), page_style(), contents(body), body, page_script());
}

std::string section(const std::string& title, const std::string& body) {
  return body.empty() ? body
                      : fmt::format("{}{}{}{}</h2>\n{}</section>\n", section_start, slug(title), heading_start,
                                    escape(title), body);
}

std::string note(const std::string& text) { return fmt::format("<p class=\"note\">{}</p>\n", escape(text)); }

std::string figure(std::string_view png, const std::string& caption, const std::string& name, Paper paper,
                   const std::string& data) {
  return fmt::format("<figure{}>{}{}<figcaption>{}</figcaption></figure>\n", named(name), picture(png, paper, caption),
                     data_element(data), escape(caption));
}

std::string plot_figure(const std::string& svg, const std::string& name, const std::string& data) {
  return svg.empty() ? svg
                     : fmt::format("<figure class=\"plot\"{}>{}{}</figure>\n", named(name), svg, data_element(data));
}

std::string pages_figure(const std::vector<PageOfFigure>& pages, const std::string& caption, const std::string& name,
                         Turn turn, Paper paper) {
  std::string pictures;
  for (const PageOfFigure& one : pages)
    pictures += picture(one.png, paper, name + ", " + one.label,
                        fmt::format(" data-label=\"{}\"{}", escape(one.label), pictures.empty() ? "" : " hidden=\"\""));
  const char* how = turn == Turn::slider ? "slider" : "buttons";
  return fmt::format("<figure{}{}>{}<figcaption>{}</figcaption></figure>\n", named(name),
                     pages.size() > 1 ? fmt::format(" data-turn=\"{}\"", how) : std::string(), pictures,
                     escape(caption));
}

std::string table(const std::string& name, const std::string& heads, const std::string& rows, bool text) {
  const std::string label = escape(name);
  return fmt::format(
      "<div class=\"scroll\" role=\"region\" tabindex=\"0\" aria-label=\"{0}\"><table{1}><caption>{0}</caption>"
      "<thead><tr>{2}</tr></thead><tbody>\n{3}</tbody></table></div>\n",
      label, text ? " class=\"text\"" : "", heads, rows);
}

std::string head(const std::string& html, const std::string& unit) {
  return fmt::format("<th scope=\"col\">{}{}</th>", html, unit.empty() ? unit : "<small>" + unit + "</small>");
}

std::string row_head(const std::string& html) { return "<th scope=\"row\">" + html + "</th>"; }

std::string folded(const std::string& title, const std::string& body) {
  return fmt::format("<details><summary>{}</summary>\n{}</details>\n", escape(title), body);
}

}  // namespace ddls::report
