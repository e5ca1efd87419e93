#pragma once
// The label of one sample as a side file of WebDataset gives it.
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace ddls::data {

struct LabelText {
  std::optional<int64_t> number = {};  // not negative
  std::string name = {};               // a class name, where the label is text
  std::string problem = {};            // why a label cannot be read, of a file that should hold one; else empty
  bool found() const { return number || !name.empty(); }
};

// KEY.cls: a number or the name of a class.
LabelText label_of_cls(std::string_view content);
// KEY.json: "label" or "cls", a number or text (digits count as a number). NaN and infinities elsewhere in it, as
// Python writes them, do no harm. A file without either has no label.
LabelText label_of_json(std::string_view content);

}  // namespace ddls::data
