#include "data/dataset_json.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/error.hpp"
#include "base/log.hpp"

namespace ddls::data {
namespace {

bool is_pair(const nlohmann::json& entry) { return entry.is_array() && entry.size() == 2 && entry[0].is_string(); }

}  // namespace

std::optional<DatasetJson> DatasetJson::parse(std::string_view text, std::string where) {
  const auto json = nlohmann::json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (json.is_discarded() && text.find("\"labels\"") != std::string_view::npos)
    fail(Exit::data, "'{}' is no JSON; mend it, or remove it", where);
  const bool known =
      json.is_object() && json.contains("labels") &&
      (json["labels"].is_null() || (json["labels"].is_array() && std::ranges::all_of(json["labels"], is_pair)));
  if (!known) {
    log::warning("'{}' has no \"labels\": [[\"FILE\", CLASS], ...], so it is passed over", where);
    return std::nullopt;
  }
  DatasetJson result;
  result.where_ = std::move(where);
  if (json["labels"].is_null()) return result;
  for (const auto& entry : json["labels"]) {
    if (!entry[1].is_number_integer()) {
      log::warning("'{}' gives '{}' the label {}, which is no class number: the set has no labels", result.where_,
                   entry[0].get<std::string>(), entry[1].dump());
      result.labels_.clear();
      return result;
    }
    const auto label = entry[1].get<int64_t>();
    std::string name = entry[0].get<std::string>();
    std::ranges::replace(name, '\\', '/');
    if (label < 0) fail(Exit::data, "'{}' gives '{}' the label {}; labels begin at 0", result.where_, name, label);
    if (!result.labels_.try_emplace(name, label).second) fail(Exit::data, "'{}' names '{}' twice", result.where_, name);
  }
  result.labelled_ = !result.labels_.empty();
  return result;
}

std::vector<int64_t> DatasetJson::labels_of(const std::vector<std::string>& images) const {
  std::vector<int64_t> labels;
  for (const std::string& image : images) {
    const auto found = labels_.find(image);
    if (found == labels_.end())
      fail(Exit::data, "'{}' has no label for '{}', but for {} others; give every image one, or remove the file",
           where_, image, labels_.size());
    labels.push_back(found->second);
  }
  if (labels.size() < labels_.size())
    log::warning("'{}' has labels of {} files that are not there", where_, labels_.size() - labels.size());
  return labels;
}

}  // namespace ddls::data
