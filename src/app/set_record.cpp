#include "app/set_record.hpp"

#include <ATen/ATen.h>

#include "base/log.hpp"

namespace ddls {
namespace {

using Json = nlohmann::ordered_json;

}  // namespace

Json record_of(const LeftOut& left_out) {
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
  const at::Tensor counts = at::bincount(labels, {}, static_cast<int64_t>(names.size()));
  const int64_t* count = counts.const_data_ptr<int64_t>();
  Json by_name = Json::object();
  int64_t with_samples = 0;
  for (int64_t label = 0; label < counts.numel(); ++label) {
    if (count[label] == 0) continue;
    ++with_samples;
    const auto index = static_cast<size_t>(label);
    by_name[index < names.size() ? names[index] : std::to_string(label)] = count[label];
  }
  return {{"classes", counts.numel()}, {"with_samples", with_samples}, {"counts", by_name}};
}

Json summary_of(const Dataset& set) {
  Json record{{"name", set.name}, {"count", set.size()}};
  if (set.size() == 0) return record;
  record["shape"] = set.shape();
  record["classes"] = class_record(set.labels, set.class_names);
  if (!set.unlabelled.empty()) record["unlabelled_why"] = set.unlabelled;
  record["left_out"] = record_of(set.left_out);
  record["damaged"] = set.damaged + (set.lazy ? set.lazy->damaged() : 0);
  return record;
}

void tell_of_set(const std::string& name, int64_t count, const LeftOut& left_out, const std::string& unlabelled) {
  tell_left_out(name, count, left_out);
  if (!unlabelled.empty()) log::info("'{}' is used without labels: {}", name, unlabelled);
}

}  // namespace ddls
