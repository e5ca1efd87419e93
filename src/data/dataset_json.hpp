#pragma once
// Labels as NVIDIA's dataset_tool leaves them: a dataset.json at the root of the set, {"labels":
// [["00000/img00000000.png", 6], ...]}, or {"labels": null} for none. Folders of such a set are mere storage, not
// classes.
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace ddls::data {

inline constexpr const char* dataset_json_name = "dataset.json";

class DatasetJson {
 public:
  // Nothing where the file is of another kind; that is warned of. `where`: its name. Throws Error(data): no JSON, a
  // negative label.
  static std::optional<DatasetJson> parse(std::string_view text, std::string where);

  // False: "labels" is null, or vectors instead of class numbers (warned of).
  bool labelled() const { return labelled_; }
  // Of images by their paths below the root, in their order. Throws Error(data): one has no label.
  std::vector<int64_t> labels_of(const std::vector<std::string>& images) const;

 private:
  std::string where_;
  bool labelled_ = false;
  std::unordered_map<std::string, int64_t> labels_;
};

}  // namespace ddls::data
