#pragma once
// The frame of report.html: one file, nothing loaded from elsewhere; light or dark as the reader's system says, on
// paper always light. Every element is closed, so the page is well-formed XML as well. Its one script (page_parts.hpp)
// adds downloads, pages and sliders to what stands there; without it the page tells the same.
#include <string>
#include <string_view>
#include <vector>

namespace ddls::report {

// For text and attribute values. Control characters become spaces; bytes that are no UTF-8: base/json_text.hpp.
std::string escape(std::string_view text);
// JSON text that may stand within an element of the page: no '<', '>' or '&' is left in it.
std::string json_in_page(std::string json);
std::string base64(std::string_view bytes);

// Above the body stand links to its sections. `reload_s` > 0: the page loads itself anew after so many seconds, for as
// long as its file says so.
std::string page(const std::string& title, const std::string& body, int reload_s = 0);
std::string section(const std::string& title, const std::string& body);  // empty when the body is
std::string note(const std::string& text);                               // a small paragraph; `text` is escaped

enum class Paper { photo, drawing };  // on a dark page a drawing on white is turned to light on dark
// A picture with its caption; `png` holds the file's bytes. `name`: of the file that a reader downloads. `data`: JSON
// of the numbers in it, as plot_figure's; empty: none.
std::string figure(std::string_view png, const std::string& caption, const std::string& name = {},
                   Paper paper = Paper::photo, const std::string& data = {});
// An <svg> whose numbers can be downloaded: {"x": title, "y": title, "series": [{"label", "x", "y"}]}; `x` is left out
// where it is that of the series before.
std::string plot_figure(const std::string& svg, const std::string& name, const std::string& data);

struct PageOfFigure {
  std::string png, label;  // "samples 101 to 200", "step 30"
};
enum class Turn { buttons, slider };
// Pictures of which one is seen at a time. Without the script it is the first.
std::string pages_figure(const std::vector<PageOfFigure>& pages, const std::string& caption, const std::string& name,
                         Turn turn, Paper paper = Paper::photo);

// Rows of cells below a row of heads, with a name for those who do not see it. Wider than the page, it scrolls, and its
// first column stays. `text`: cells hold words, not numbers.
std::string table(const std::string& name, const std::string& heads, const std::string& rows, bool text = false);
std::string head(const std::string& html, const std::string& unit = {});  // a cell of `heads`; both are HTML
std::string row_head(const std::string& html);                            // the first cell of a row
std::string folded(const std::string& title, const std::string& body);    // opened by a click

}  // namespace ddls::report
