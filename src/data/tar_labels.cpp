#include "data/tar_labels.hpp"

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <unordered_map>

#include "base/error.hpp"
#include "base/log.hpp"
#include "data/dataset_json.hpp"
#include "data/label_text.hpp"

namespace ddls::data {
namespace {

// Without "./" in front; empty for what is not below `inside`.
std::string name_within(std::string name, const std::string& inside) {
  while (name.starts_with("./")) name.erase(0, 2);
  return inside.empty() || name.starts_with(inside + "/") ? name : "";
}

std::vector<std::string> folders_of(const std::string& name) {
  std::vector<std::string> folders;
  for (size_t at = 0, slash = 0; (slash = name.find('/', at)) != std::string::npos; at = slash + 1)
    if (slash > at) folders.push_back(name.substr(at, slash - at));
  return folders;
}

// Labels by the first folder that is not the same for all images.
void label_by_folder(LabelledImages& result) {
  const std::vector<TarImage>& images = result.images;
  std::vector<std::string> shared = folders_of(images.front().name);
  for (const TarImage& image : images) {
    const std::vector<std::string> folders = folders_of(image.name);
    shared.resize(static_cast<size_t>(std::ranges::mismatch(shared, folders).in1 - shared.begin()));
  }
  const auto folder = [&](const TarImage& image) {
    const std::vector<std::string> folders = folders_of(image.name);
    return folders.size() > shared.size() ? folders[shared.size()] : std::string();
  };
  std::map<std::string, int64_t> classes;
  for (const TarImage& image : images) classes.emplace(folder(image), 0);
  if (classes.size() == 1) return;  // flat
  if (classes.contains("")) {
    const auto loose = std::ranges::find_if(images, [&](const TarImage& image) { return folder(image).empty(); });
    fail(Exit::data, "'{}' lies beside the folder '{}'; use images alone or one folder per class", loose->name,
         std::next(classes.begin())->first);
  }
  static const std::set<std::string> splits{"train", "test", "val", "valid", "validation"};
  if (std::ranges::all_of(classes, [](const auto& entry) { return splits.contains(entry.first); })) {
    fail(Exit::data, "the archive holds several sets ('{}' and others); name one behind the archive: ARCHIVE.tar/{}",
         classes.begin()->first,
         images.front().name.substr(0, images.front().name.find(folder(images.front()))) + folder(images.front()));
  }
  for (auto& [name, label] : classes) {
    label = static_cast<int64_t>(result.class_names.size());
    result.class_names.push_back(name);
  }
  for (const TarImage& image : images) result.labels.push_back(classes.at(folder(image)));
}

struct LabelMember {
  TarMember member;
  bool json = false;
};
using LabelMembers = std::unordered_map<std::string, LabelMember>;  // by sample name, of one archive

// What is found in archives, before labels are read.
struct Members {
  const std::vector<std::unique_ptr<TarFile>>& files;
  std::vector<TarImage> images;
  std::vector<LabelMembers> labels;                 // of each file
  std::vector<std::optional<TarMember>> json = {};  // dataset.json of each file
  LeftOut left_out;

  std::string path_of(const TarImage& image) const { return files[image.archive]->path().string() + "/" + image.name; }
  const LabelMember* label_of(const TarImage& image) const {
    const auto found = labels[image.archive].find(std::string(sample_name(image.name)));
    return found == labels[image.archive].end() ? nullptr : &found->second;
  }
};

LabelText read_label(const Members& members, const TarImage& image) {
  const LabelMember* label = members.label_of(image);
  if (label == nullptr) return {};
  if (label->member.type != '0') return {.problem = "is a link"};
  const std::string content = members.files[image.archive]->read(label->member.offset, label->member.size);
  return label->json ? label_of_json(content) : label_of_cls(content);
}

// Numbers as they are, or names numbered in sorted order. What is neither says so.
void number_labels(LabelledImages& result, const std::vector<LabelText>& labels, const Members& members) {
  const auto number = std::ranges::find_if(labels, [](const LabelText& label) { return label.number.has_value(); });
  const auto name = std::ranges::find_if(labels, [](const LabelText& label) { return !label.name.empty(); });
  if (number != labels.end() && name != labels.end()) {
    const auto image = [&](auto label) {
      return members.path_of(result.images[static_cast<size_t>(label - labels.begin())]);
    };
    result.unlabelled = fmt::format("the label of '{}' is a number, that of '{}' is a name ({})", image(number),
                                    image(name), name->name);
    return;
  }
  if (name == labels.end()) {
    for (const LabelText& label : labels) result.labels.push_back(*label.number);
    return;
  }
  std::map<std::string, int64_t> classes;
  for (const LabelText& label : labels) classes.emplace(label.name, 0);
  for (auto& [class_name, index] : classes) {
    index = static_cast<int64_t>(result.class_names.size());
    result.class_names.push_back(class_name);
  }
  for (const LabelText& label : labels) result.labels.push_back(classes.at(label.name));
}

// Every image has a label, or none has; `skip_damaged` leaves out those whose label cannot be read, where others have
// one.
void label_by_members(LabelledImages& result, const Members& members, bool skip_damaged) {
  std::vector<LabelText> labels;
  for (const TarImage& image : members.images) labels.push_back(read_label(members, image));
  const auto label_path = [&](size_t i) {
    const TarImage& image = members.images[i];
    return members.files[image.archive]->path().string() + "/" + members.label_of(image)->member.name;
  };
  const bool some = std::ranges::any_of(labels, &LabelText::found);
  std::vector<LabelText> kept;
  std::string absent, problem;  // of the first such image
  for (size_t i = 0; i < labels.size(); ++i) {
    if (some && skip_damaged && !labels[i].problem.empty()) {
      log::warning("skipped: '{}' {}", label_path(i), labels[i].problem);
      ++result.damaged;
      continue;
    }
    if (!labels[i].problem.empty() && problem.empty())
      problem = fmt::format("'{}' {}", label_path(i), labels[i].problem);
    if (!labels[i].found() && absent.empty()) absent = members.path_of(members.images[i]);
    result.images.push_back(members.images[i]);
    kept.push_back(std::move(labels[i]));
  }
  if (!problem.empty())
    result.unlabelled = problem;
  else if (some && !absent.empty())
    result.unlabelled =
        fmt::format("'{}' has no label (.cls, or \"label\" in .json), but other images have one", absent);
  else if (some)
    number_labels(result, kept, members);
}

// dataset.json of each archive, those that are of the kind; what they hold is of the images of that archive.
std::vector<std::optional<DatasetJson>> read_dataset_json(const Members& members) {
  std::vector<std::optional<DatasetJson>> found(members.files.size());
  for (size_t i = 0; i < found.size(); ++i) {
    if (!members.json[i]) continue;
    const TarFile& file = *members.files[i];
    found[i] = DatasetJson::parse(file.read(members.json[i]->offset, members.json[i]->size),
                                  file.path().string() + "/" + members.json[i]->name);
  }
  return found;
}

void label_by_dataset_json(LabelledImages& result, const std::vector<std::optional<DatasetJson>>& json,
                           Members& members) {
  std::vector<std::vector<std::string>> names(json.size());
  for (const TarImage& image : members.images) {
    if (!json[image.archive] && result.unlabelled.empty())
      result.unlabelled = fmt::format("'{}' has no dataset.json, but other archives have one",
                                      members.files[image.archive]->path().string());
    const std::string& root = members.json[image.archive] ? members.json[image.archive]->name : image.name;
    const std::string inside = root.substr(0, root.rfind('/') + 1);
    names[image.archive].push_back(image.name.starts_with(inside) ? image.name.substr(inside.size()) : image.name);
  }
  result.images = std::move(members.images);
  const bool labelled = std::ranges::any_of(json, [](const auto& one) { return one && one->labelled(); });
  if (!labelled || !result.unlabelled.empty()) return;
  for (size_t i = 0; i < json.size(); ++i) {  // images lie archive by archive
    if (names[i].empty()) continue;
    const std::vector<int64_t> labels = json[i]->labels_of(names[i]);
    result.labels.insert(result.labels.end(), labels.begin(), labels.end());
  }
}

void take(Members& found, size_t archive, const TarMember& member, const std::string& name) {
  const FileKind kind = kind_of(name);
  if (kind == FileKind::image) {
    if (member.type != '0')
      fail(Exit::data,
           "'{}/{}' is a link or a sparse file, not an image; pack the files themselves (tar -h --hard-dereference)",
           found.files[archive]->path().string(), member.name);
    found.images.push_back({archive, name, member.offset, member.size});
  } else if (last_part(name) == dataset_json_name && member.type == '0') {
    std::optional<TarMember>& kept = found.json[archive];
    if (!kept || name.size() < kept->name.size()) {  // that nearest to the root
      kept = member;
      kept->name = name;
    }
  } else if (kind == FileKind::label) {
    const bool json = extension_of(name) == "json";
    const auto [place, fresh] =
        found.labels[archive].try_emplace(std::string(sample_name(name)), LabelMember{member, json});
    if (!fresh && !json) place->second = {member, json};  // .cls before .json
  } else if (member.type == '0') {
    found.left_out.add(name);
  } else if (member.type == '1' || member.type == '2') {
    ++found.left_out.links;
  } else if (member.type != '5') {
    ++found.left_out.special;
  }
}

Members search(const std::vector<std::unique_ptr<TarFile>>& files, const std::vector<TarIndex>& indices,
               const std::string& inside) {
  Members found{
      files, {}, std::vector<LabelMembers>(files.size()), std::vector<std::optional<TarMember>>(files.size()), {}};
  for (size_t archive = 0; archive < files.size(); ++archive) {
    const size_t before = found.images.size();
    std::set<std::string> hidden;  // folders
    for (const TarMember& member : indices[archive].members) {
      const std::string name = name_within(member.name, inside);
      const std::string_view below = std::string_view(name).substr(std::min(inside.size(), name.size()));
      const std::optional<size_t> part = hidden_part(below);
      if (!part) {
        if (!name.empty()) take(found, archive, member, name);
        continue;
      }
      const bool folder = *part < below.size() || member.type == '5';
      if (folder) hidden.emplace(below.substr(0, *part));
      const bool directly = !folder || below.find('/', *part + 1) == std::string_view::npos;
      if (member.type != '5' && directly) found.left_out.add_hidden_file(name);
    }
    found.left_out.hidden_folders += static_cast<int64_t>(hidden.size());
    if (found.images.size() == before) log::warning("'{}' holds no images", files[archive]->path().string());
  }
  return found;
}

void refuse_mates(const Members& members, const SampleMates& mates) {
  fail(Exit::data,
       "'{}' is the second image of its sample, after '{}': a sample is the name up to its first dot, and has one "
       "image. Leave the others (masks, second views) out of the archive, or rename them where they are samples of "
       "their own",
       members.path_of(members.images[mates.second]), members.images[mates.first].name);
}

}  // namespace

LabelledImages label_images(const std::vector<std::unique_ptr<TarFile>>& files, const std::vector<TarIndex>& indices,
                            const std::string& inside, bool skip_damaged) {
  Members members = search(files, indices, inside);
  LabelledImages result;
  result.left_out = std::move(members.left_out);
  if (members.images.empty()) return result;
  std::vector<std::string_view> names;
  std::vector<size_t> archives;
  for (const TarImage& image : members.images) {
    names.push_back(image.name);
    archives.push_back(image.archive);
  }
  const std::vector<std::optional<DatasetJson>> json = read_dataset_json(members);
  if (std::ranges::any_of(json, [](const auto& one) { return one.has_value(); })) {
    label_by_dataset_json(result, json, members);
    return result;
  }
  const bool webdataset =
      std::ranges::any_of(members.images, [&](const TarImage& image) { return members.label_of(image) != nullptr; });
  if (const auto mates = mates_in_samples(names, archives, /*strict=*/webdataset)) refuse_mates(members, *mates);
  if (webdataset) {
    label_by_members(result, members, skip_damaged);
  } else {
    result.images = std::move(members.images);
    label_by_folder(result);
  }
  return result;
}

}  // namespace ddls::data
