#pragma once
// Whether every tag of a page is closed, in order, with quoted attributes. Returns what is wrong, or an empty text.
#include <regex>
#include <string>
#include <vector>

namespace ddls::test {

inline std::string markup_fault(const std::string& page) {
  static const std::regex plain_tag("^/?[a-z][a-z0-9]*$");
  std::vector<std::string> open;
  for (size_t at = page.find('<'); at != std::string::npos; at = page.find('<', at)) {
    const size_t end = page.find('>', at);
    if (end == std::string::npos) return "a tag without its end";
    std::string tag = page.substr(at + 1, end - at - 1);
    at = end;
    if (tag.starts_with("!DOCTYPE")) continue;
    if (tag.find('<') != std::string::npos) return "'<' within <" + tag.substr(0, 80) + ">";
    size_t quotes = 0;
    for (const char c : tag) quotes += c == '"' ? 1 : 0;
    if (quotes % 2 != 0) return "an open quote in <" + tag.substr(0, 80) + ">";
    const bool empty = tag.ends_with('/');
    if (empty) tag.pop_back();
    const std::string name = tag.substr(0, tag.find(' '));
    if (!std::regex_match(name, plain_tag)) return "no tag: <" + name.substr(0, 80) + ">";
    if (name[0] == '/') {
      if (open.empty() || open.back() != name.substr(1))
        return "<" + name + "> closes " + (open.empty() ? "nothing" : open.back());
      open.pop_back();
    } else if (!empty) {
      open.push_back(name);
    }
  }
  return open.empty() ? "" : "<" + open.back() + "> is not closed";
}

}  // namespace ddls::test
