#pragma once
// The frame of report.html: one file, no scripts, nothing loaded from elsewhere; light or dark as the reader's system
// says, on paper always light. Every element is closed, so the page is well-formed XML as well.
#include <string>
#include <string_view>

namespace ddls::report {

// For text and attribute values. Control characters become spaces; bytes that are no UTF-8: base/json_text.hpp.
std::string escape(std::string_view text);
std::string base64(std::string_view bytes);

std::string page(const std::string& title, const std::string& body);
std::string section(const std::string& title, const std::string& body);  // empty when the body is
std::string note(const std::string& text);                               // a small paragraph; `text` is escaped
// A picture with its caption; `png` holds the file's bytes.
std::string figure(std::string_view png, const std::string& caption);
// Rows of cells below a row of heads; wider than the page, it scrolls. `text`: cells hold words, not numbers.
std::string table(const std::string& heads, const std::string& rows, bool text = false);
std::string folded(const std::string& title, const std::string& body);  // opened by a click

}  // namespace ddls::report
