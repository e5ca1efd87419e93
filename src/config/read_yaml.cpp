#include <fmt/format.h>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <sstream>

#include "config/advice.hpp"
#include "config/parse_value.hpp"
#include "config/schema.hpp"

namespace ddls::config {
namespace {

namespace fs = std::filesystem;

// Complaints are one line each, whatever stands in the file.
std::string shown_in_quotes(std::string text) {
  constexpr size_t longest = 60;
  for (char& c : text)
    if (static_cast<unsigned char>(c) < 0x20) c = ' ';
  if (text.size() > longest) text = text.substr(0, longest) + "...";
  return "'" + text + "'";
}

std::string what_stands_there(const YAML::Node& node) {
  if (node.IsScalar()) return shown_in_quotes(node.Scalar());
  if (node.IsSequence()) return "a list";
  return node.IsMap() ? "keys and values" : "nothing";
}

// A quoted "5" is a text.
template <typename T>
std::optional<T> parse(const YAML::Node& node) {
  if (!node.IsScalar()) return std::nullopt;
  if (!std::is_same_v<T, std::string> && node.Tag() != "?") return std::nullopt;  // yaml-cpp's mark of a plain scalar
  return parse_text<T>(node.Scalar());
}

void find_key(const Section& section, const std::string& prefix, const std::string& key,
              std::vector<std::string>& found) {
  for (const Field& field : section.fields())
    if (field.name == key) found.push_back("'" + prefix + field.name + "'");
  for (const auto& child : section.sections()) {
    if (child->name() == key) found.push_back("'" + prefix + child->name() + "'");
    find_key(*child, prefix + child->name() + ".", key, found);
  }
}

class Reader {
 public:
  using Place = std::function<std::string(const YAML::Mark&)>;
  Reader(const Section& root, Place place, fs::path folder, std::vector<ConfigProblem>& problems)
      : root_(root), place_(std::move(place)), folder_(std::move(folder)), problems_(problems) {}

  void read_section(Section& section, const YAML::Node& node, const std::string& prefix) {
    if (node.IsNull()) return;  // a section whose keys are all commented out
    if (!node.IsMap())
      return complain(node.Mark(), prefix,
                      "expected keys and values, got " + what_stands_there(node) + advice_for(section, prefix));
    std::map<std::string, YAML::Mark> seen;
    for (const auto& entry : node) {
      const YAML::Mark mark = entry.first.Mark();
      if (!entry.first.IsScalar()) {
        complain(mark, prefix, "expected a key, got " + what_stands_there(entry.first) + "; write KEY: VALUE");
        continue;
      }
      const std::string& key = entry.first.Scalar();
      const auto [first, is_new] = seen.emplace(key, mark);
      if (!is_new)
        complain(mark, join(prefix, key), fmt::format("given twice; first in line {}", first->second.line + 1));
      else
        read_key(section, key, entry.second, mark, prefix);
    }
  }

  void read_key(Section& section, const std::string& key, const YAML::Node& node, const YAML::Mark& mark,
                const std::string& prefix) {
    const std::string path = join(prefix, key);
    for (Field& field : section.fields())
      if (field.name == key) return read_field(field, node, mark, path);
    for (const auto& child : section.sections())
      if (child->name() == key) return read_section(*child, node, path);
    complain(mark, join(prefix, one_line(key)), "unknown key; " + suggestion(section, key));
  }

  static std::string join(const std::string& prefix, const std::string& key) {
    return prefix.empty() ? key : prefix + "." + key;
  }

 private:
  void complain(const YAML::Mark& mark, const std::string& key, std::string message) {
    problems_.push_back({place_(mark), key, std::move(message)});
  }

  static std::string one_line(const std::string& key) {
    const std::string text = shown_in_quotes(key);
    return text.substr(1, text.size() - 2);
  }

  std::string suggestion(const Section& section, const std::string& key) const {
    std::vector<std::string> known, elsewhere;
    for (const Field& field : section.fields()) known.push_back(field.name);
    for (const auto& child : section.sections()) known.push_back(child->name());
    if (const auto near = nearest(key, known)) return fmt::format("did you mean '{}'?", *near);
    find_key(root_, "", key, elsewhere);
    if (!elsewhere.empty()) return fmt::format("did you mean {}?", fmt::join(elsewhere, " or "));
    return fmt::format("known here: {}", fmt::join(known, ", "));
  }

  void read_field(Field& field, const YAML::Node& node, const YAML::Mark& key_mark, const std::string& path) {
    std::visit([&](auto* target) { read_into(*target, field, node, key_mark, path); }, field.target);
  }

  template <typename T>
  void read_into(T& target, Field& field, const YAML::Node& node, const YAML::Mark& key_mark, const std::string& path) {
    using Element = typename ElementOf<T>::Type;
    T value{};
    bool good = true;
    if constexpr (ElementOf<T>::list) {
      const bool one = field.allowed.one_or_list && node.IsScalar();
      if (!node.IsSequence() && !one) return complain_of_value(field, node, key_mark, path, false);
      if constexpr (std::is_same_v<Element, std::string>) {
        if (one && !node.Scalar().empty()) {
          const auto element = element_of<Element>(field, node);
          if (!element) return complain_of_value(field, node, key_mark, path, false);
          value.push_back(*element);
        }
      }
      for (size_t i = 0; i < node.size(); ++i) {
        if (const auto element = element_of<Element>(field, node[i]))
          value.push_back(*element);
        else
          complain_of_value(field, node[i], key_mark, fmt::format("{}[{}]", path, i), true), good = false;
      }
    } else {
      const auto element = element_of<Element>(field, node);
      if (!element) return complain_of_value(field, node, key_mark, path, false);
      value = *element;
    }
    if (!good) return;
    target = std::move(value);
    field.place = place_(key_mark);
  }

  template <typename Element>
  std::optional<Element> element_of(const Field& field, const YAML::Node& node) const {
    if constexpr (std::is_same_v<Element, int64_t>)
      if (field.allowed.automatic && node.IsScalar() && node.Scalar() == "auto") return *field.allowed.automatic;
    auto value = parse<Element>(node);
    if (!value || !is_allowed(*value, field.allowed)) return std::nullopt;
    if constexpr (std::is_same_v<Element, std::string>)
      if (field.allowed.path && !value->empty() && !is_word(*value, field.allowed))
        value = (folder_ / *value).lexically_normal().string();
    return value;
  }

  void complain_of_value(const Field& field, const YAML::Node& node, const YAML::Mark& key_mark,
                         const std::string& path, bool is_element) {
    std::string message = fmt::format("expected {}, got {}{}", expected_text(field, is_element),
                                      what_stands_there(node), advice_for(field, node, is_element));
    // An absent value has no place of its own.
    complain(node.IsNull() ? key_mark : node.Mark(), path, std::move(message));
  }

  const Section& root_;
  Place place_;
  fs::path folder_;
  std::vector<ConfigProblem>& problems_;
};

// Where the documents of a text begin, and where each has its first value.
class DocumentMarks : public YAML::EventHandler {
 public:
  struct Document {
    YAML::Mark begin;
    std::optional<YAML::Mark> value;
  };
  std::vector<Document> documents;

  void OnDocumentStart(const YAML::Mark& mark) override { documents.push_back({mark, std::nullopt}); }
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark& mark, YAML::anchor_t) override { note(mark); }
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t) override { note(mark); }
  void OnScalar(const YAML::Mark& mark, const std::string&, YAML::anchor_t, const std::string&) override { note(mark); }
  void OnSequenceStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t, YAML::EmitterStyle::value) override {
    note(mark);
  }
  void OnSequenceEnd() override {}
  void OnMapStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t, YAML::EmitterStyle::value) override {
    note(mark);
  }
  void OnMapEnd() override {}

 private:
  void note(const YAML::Mark& mark) {
    if (!documents.back().value) documents.back().value = mark;
  }
};

// Parses the one document of `text`; a problem instead of a node where it is not YAML.
std::optional<YAML::Node> parse_document(const std::string& text, const Reader::Place& place,
                                         std::vector<ConfigProblem>& problems) {
  try {
    // Not YAML::LoadAll: at a comma that stands where a document may begin, yaml-cpp finds empty documents without end.
    std::istringstream stream(text);
    YAML::Parser parser(stream);
    DocumentMarks marks;
    while (marks.documents.size() < 2 && parser.HandleNextDocument(marks)) {}
    const auto& found = marks.documents;
    if (found.size() > 1 && found[1].begin.pos == found[0].begin.pos) {
      problems.push_back({place(found[0].begin), "", "not valid YAML: a key or a value is expected here"});
      return std::nullopt;
    }
    if (found.size() > 1) {
      problems.push_back(
          {place(found[1].value.value_or(found[1].begin)), "", "a second YAML document; one is expected"});
      return std::nullopt;
    }
    return YAML::Load(text);
  } catch (const YAML::Exception& e) {
    problems.push_back({place(e.mark), "", "not valid YAML: " + e.msg});
    return std::nullopt;
  }
}

}  // namespace

void read_yaml(Section& root, const std::string& yaml_text, const std::string& file,
               std::vector<ConfigProblem>& problems) {
  const auto place = [&](const YAML::Mark& mark) {
    return mark.is_null() ? file : fmt::format("{}:{}:{}", file, mark.line + 1, mark.column + 1);
  };
  const auto node = parse_document(yaml_text, place, problems);
  if (node) Reader(root, place, fs::absolute(file).parent_path(), problems).read_section(root, *node, "");
}

void read_override(Section& root, const std::string& assignment, std::vector<ConfigProblem>& problems) {
  const auto place = [&](const YAML::Mark&) { return "--set " + assignment; };
  const size_t equals = assignment.find('=');
  if (equals == assignment.npos || equals == 0) {
    problems.push_back({place({}), "", "expected path.to.key=value"});
    return;
  }
  const std::string value = assignment.substr(equals + 1);
  const auto node = value.empty() ? std::optional(YAML::Node(value)) : parse_document(value, place, problems);
  if (!node) return;

  Section* section = &root;
  std::string prefix, key, rest = assignment.substr(0, equals);
  for (size_t dot; (dot = rest.find('.')) != rest.npos; rest.erase(0, dot + 1)) {
    key = rest.substr(0, dot);
    const auto& children = section->sections();
    const auto child = std::find_if(children.begin(), children.end(), [&](const auto& c) { return c->name() == key; });
    if (child == children.end()) break;  // reported below as the unknown key it is
    section = child->get();
    prefix = Reader::join(prefix, key);
  }
  key = rest.substr(0, rest.find('.'));
  const auto& fields = section->fields();
  if (rest != key && std::any_of(fields.begin(), fields.end(), [&](const Field& f) { return f.name == key; }))
    problems.push_back({place({}), Reader::join(prefix, key),
                        "a value, not a section; it has no keys: write " + Reader::join(prefix, key) + "=VALUE"});
  else
    Reader(root, place, fs::current_path(), problems).read_key(*section, key, *node, {}, prefix);
}

}  // namespace ddls::config
