#include <fmt/format.h>

#include <algorithm>
#include <cctype>

#include "config/schema.hpp"

namespace ddls::config {
namespace {

// Plain words and paths stay bare; whatever YAML could take for something else is quoted.
bool is_plain(const std::string& text) {
  static const std::vector<std::string> special{"null", "true", "false", "yes", "no", "on", "off", "y", "n"};
  std::string lower = text;
  std::transform(lower.begin(), lower.end(), lower.begin(), [](unsigned char c) { return std::tolower(c); });
  const auto is_safe = [](unsigned char c) { return std::isalnum(c) || c == '_' || c == '/' || c == '.' || c == '-'; };
  return !text.empty() && (std::isalpha(static_cast<unsigned char>(text[0])) || text[0] == '/') &&
         std::all_of(text.begin(), text.end(), is_safe) &&
         std::find(special.begin(), special.end(), lower) == special.end();
}

std::string quoted(const std::string& text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\')
      (out += '\\') += c;
    else if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F)
      out += fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
    else
      out += c;
  }
  return out + '"';
}

std::string text_of(const std::string& value) { return is_plain(value) ? value : quoted(value); }

// fmt gives the shortest digits that read back as the same double.
template <typename T>
std::string text_of(const T& value) {
  return fmt::format("{}", value);
}

template <typename T>
std::string text_of(const std::vector<T>& values) {
  std::string out;
  for (const T& value : values) out += (out.empty() ? "" : ", ") + text_of(value);
  return "[" + out + "]";
}

std::string value_text(const Field& field) {
  int64_t* const* integer = std::get_if<int64_t*>(&field.target);
  if (integer && field.allowed.automatic && **integer == *field.allowed.automatic) return "auto";
  std::vector<std::string>* const* texts = std::get_if<std::vector<std::string>*>(&field.target);
  if (texts && field.allowed.one_or_list && (*texts)->size() < 2)
    return text_of((*texts)->empty() ? std::string() : (*texts)->front());
  return std::visit([](const auto* p) { return text_of(*p); }, field.target);
}

void print(const Section& section, const std::string& indent, bool comments, std::string& out) {
  for (const Field& field : section.fields()) {
    out += indent + field.name + ": " + value_text(field);
    if (comments) out += fmt::format("  # {}; {}", field.doc, expected_text(field));
    out += '\n';
  }
  for (const auto& child : section.sections()) {
    if (indent.empty()) out += '\n';
    out += indent + child->name() + ":" + (comments ? "  # " + child->doc() : "") + '\n';
    print(*child, indent + "  ", comments, out);
  }
}

void print_for_key(const Section& section, const Section& defaults, const std::string& indent, std::string& out) {
  for (size_t i = 0; i < section.fields().size(); ++i) {
    const Field& field = section.fields()[i];
    const std::string text = value_text(field);
    if (field.later && text == value_text(defaults.fields()[i])) continue;
    out += indent + field.name + ": " + text + '\n';
  }
  for (size_t i = 0; i < section.sections().size(); ++i) {
    const Section& child = *section.sections()[i];
    std::string inside;
    print_for_key(child, *defaults.sections()[i], indent + "  ", inside);
    if (inside.empty()) continue;  // a section that was added later as a whole
    if (indent.empty()) out += '\n';
    out += indent + child.name() + ":\n" + inside;
  }
}

void find_differences(const Section& from, const Section& to, const std::string& path, std::string& out) {
  for (size_t i = 0; i < from.fields().size(); ++i) {
    const std::string before = value_text(from.fields()[i]), after = value_text(to.fields()[i]);
    if (before != after) out += fmt::format("{}{}: {} -> {}\n", path, from.fields()[i].name, before, after);
  }
  for (size_t i = 0; i < from.sections().size(); ++i)
    find_differences(*from.sections()[i], *to.sections()[i], path + from.sections()[i]->name() + ".", out);
}

}  // namespace

std::string print_yaml(const Section& root, bool comments) {
  std::string out;
  print(root, "", comments, out);
  return out;
}

std::string print_key(const Section& root, const Section& defaults) {
  std::string out;
  print_for_key(root, defaults, "", out);
  return out;
}

std::string print_differences(const Section& from, const Section& to) {
  std::string out;
  find_differences(from, to, "", out);
  return out;
}

}  // namespace ddls::config
