#include "pipeline/set_record.hpp"

#include <ATen/ATen.h>

#include "base/json.hpp"
#include "base/log.hpp"

namespace ddls::pipeline {
Json record_of(const data::LeftOut& left_out) {
  Json record{{"files", left_out.files()}};
  const auto add_kinds = [&](const char* key, const std::map<std::string, int64_t>& counts) {
    for (const auto& [extension, count] : counts) record[key][extension] = count;
  };
  const auto add = [&](const char* key, int64_t count) {
    if (count > 0) record[key] = count;
  };
  add_kinds("image_formats", left_out.image_formats);
  add_kinds("archives", left_out.archives);
  add("hidden_images", left_out.hidden_images);
  add("hidden_files", left_out.hidden_files);
  add("hidden_folders", left_out.hidden_folders);
  add("links", left_out.links);
  add("images_beside_archives", left_out.loose_images);
  add("folders_beside_archives", left_out.folders);
  add("special_files", left_out.special);
  add_kinds("others", left_out.others);
  return record;
}

Json class_record(const at::Tensor& labels, const std::vector<std::string>& names) {
  if (!labels.defined() || labels.numel() == 0) return nullptr;
  // By label, not by a table of them all: a number may be very large.
  const auto [found, places, counts] = at::_unique2(labels, /*sorted=*/true, /*inverse=*/false, /*counts=*/true);
  Json by_name = Json::object();
  for (int64_t i = 0; i < found.numel(); ++i) {
    const auto label = found[i].item<int64_t>();
    const auto index = static_cast<size_t>(label);
    by_name[index < names.size() ? names[index] : std::to_string(label)] = counts[i].item<int64_t>();
  }
  const int64_t classes = std::max(static_cast<int64_t>(names.size()), found[-1].item<int64_t>() + 1);
  return {{"classes", classes}, {"with_samples", found.numel()}, {"counts", by_name}};
}

Json summary_of(const data::Dataset& set) {
  Json record{{"name", set.name}, {"count", set.size()}};
  if (set.size() == 0) return record;
  record["shape"] = set.shape();
  record["classes"] = class_record(set.labels, set.class_names);
  if (!set.unlabelled.empty()) record["unlabelled_why"] = set.unlabelled;
  record["left_out"] = record_of(set.left_out);
  record["damaged"] = set.damaged + (set.lazy ? set.lazy->damaged() : 0);
  return record;
}

void tell_of_set(const std::string& name, int64_t count, const data::LeftOut& left_out, const std::string& unlabelled) {
  data::tell_left_out(name, count, left_out);
  if (!unlabelled.empty()) log::info("'{}' is used without labels: {}", name, unlabelled);
}

}  // namespace ddls::pipeline
