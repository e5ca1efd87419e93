#include "data/tar_labels.hpp"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <unordered_map>

#include "base/error.hpp"
#include "base/log.hpp"

namespace ddls {
namespace {

std::string extension_of(const std::string& name) {
  const size_t dot = name.find_last_of("./");
  if (dot == std::string::npos || name[dot] == '/') return "";
  std::string extension = name.substr(dot + 1);
  std::ranges::transform(extension, extension.begin(),
                         [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return extension;
}

bool is_image(const std::string& extension) { return extension == "jpg" || extension == "jpeg" || extension == "png"; }

// WebDataset's key: the path up to the first dot of its last part.
std::string key_of(const std::string& name) {
  const size_t slash = name.rfind('/');
  return name.substr(0, name.find('.', slash == std::string::npos ? 0 : slash));
}

// Without "./" in front; empty for what is hidden or not below `inside`.
std::string visible_name(std::string name, const std::string& inside) {
  while (name.starts_with("./")) name.erase(0, 2);
  const size_t slash = name.rfind('/');
  if (name.empty() || name[slash == std::string::npos ? 0 : std::min(slash + 1, name.size() - 1)] == '.') return "";
  if (inside.empty()) return name;
  return name.starts_with(inside + "/") ? name : "";
}

std::vector<std::string> folders_of(const std::string& name) {
  std::vector<std::string> folders;
  for (size_t at = 0, slash = 0; (slash = name.find('/', at)) != std::string::npos; at = slash + 1)
    if (slash > at) folders.push_back(name.substr(at, slash - at));
  return folders;
}

// Labels by the first folder that is not the same for all images.
std::vector<int64_t> labels_by_folder(const std::vector<TarImage>& images) {
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
  if (classes.size() == 1) return {};  // flat
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
  int64_t next = 0;
  for (auto& [name, label] : classes) label = next++;
  std::vector<int64_t> labels;
  for (const TarImage& image : images) labels.push_back(classes.at(folder(image)));
  return labels;
}

std::optional<int64_t> label_in(const std::string& content, bool json, const std::string& name) {
  if (json) {
    const auto object = nlohmann::json::parse(content, nullptr, false);
    if (!object.is_object()) fail(Exit::data, "'{}' is no JSON object", name);
    for (const char* key : {"label", "cls"})
      if (object.contains(key) && object[key].is_number_integer() && object[key].get<int64_t>() >= 0)
        return object[key].get<int64_t>();
    return std::nullopt;
  }
  int64_t label = -1;
  const size_t first = content.find_first_not_of(" \t\r\n"), last = content.find_last_not_of(" \t\r\n");
  if (first != std::string::npos) {
    const char* end = content.data() + last + 1;
    if (std::from_chars(content.data() + first, end, label).ptr != end) label = -1;
  }
  if (label < 0) fail(Exit::data, "'{}' holds no class number", name);
  return label;
}

struct LabelMember {
  TarMember member;
  bool json = false;
};
using LabelMembers = std::unordered_map<std::string, LabelMember>;  // by key, of one archive

struct Labelled {
  std::optional<int64_t> label;
  bool damaged = false;
};

Labelled label_of(const TarImage& image, const TarFile& file, const LabelMembers& members, bool skip_damaged) {
  const auto found = members.find(key_of(image.name));
  if (found == members.end()) return {};
  const TarMember& member = found->second.member;
  try {
    return {
        label_in(file.read(member.offset, member.size), found->second.json, file.path().string() + "/" + member.name)};
  } catch (const Error& error) {
    if (error.code() != Exit::data || !skip_damaged) throw;
    log::warning("skipped: {}", error.what());
    return {std::nullopt, true};
  }
}

// Every image has a label, or none has.
LabelledImages labelled_by_members(const std::vector<TarImage>& images,
                                   const std::vector<std::unique_ptr<TarFile>>& files,
                                   const std::vector<LabelMembers>& members, bool skip_damaged) {
  LabelledImages result;
  std::string without;  // the first image without a label
  for (size_t i = 0; i < images.size(); ++i) {
    const TarImage& image = images[i];
    const std::string name = files[image.archive]->path().string() + "/" + image.name;
    const bool same_sample =
        i > 0 && images[i - 1].archive == image.archive && key_of(images[i - 1].name) == key_of(image.name);
    if (same_sample) fail(Exit::data, "'{}' is the second image of its sample; a sample has one", name);
    const Labelled labelled = label_of(image, *files[image.archive], members[image.archive], skip_damaged);
    if (labelled.damaged) {
      ++result.damaged;
      continue;
    }
    if (labelled.label) result.labels.push_back(*labelled.label);
    if (!labelled.label && without.empty()) without = name;
    result.images.push_back(image);
  }
  if (!result.labels.empty() && result.labels.size() < result.images.size())
    fail(Exit::data, "'{}' has no label (.cls, or \"label\" in .json), but other images have one", without);
  return result;
}

}  // namespace

LabelledImages label_images(const std::vector<std::unique_ptr<TarFile>>& files, const std::vector<TarIndex>& indices,
                            const std::string& inside, bool skip_damaged) {
  std::vector<TarImage> images;
  std::vector<LabelMembers> members(files.size());
  for (size_t archive = 0; archive < files.size(); ++archive) {
    const size_t before = images.size();
    for (const TarMember& member : indices[archive].members) {
      const std::string name = visible_name(member.name, inside);
      const std::string extension = extension_of(name);
      if (is_image(extension)) {
        if (member.type != '0')
          fail(Exit::data, "'{}/{}' is a link or a sparse file, not an image; pack the files themselves (tar -h)",
               files[archive]->path().string(), member.name);
        images.push_back({archive, name, member.offset, member.size});
      } else if (member.type == '0' && (extension == "cls" || extension == "json")) {
        const bool json = extension == "json";
        const auto [place, fresh] = members[archive].try_emplace(key_of(name), LabelMember{member, json});
        if (!fresh && !json) place->second = {member, json};  // .cls before .json
      }
    }
    if (images.size() == before) log::warning("'{}' holds no images", files[archive]->path().string());
  }
  if (images.empty()) return {};
  const bool webdataset = std::ranges::any_of(
      images, [&](const TarImage& image) { return members[image.archive].contains(key_of(image.name)); });
  if (webdataset) return labelled_by_members(images, files, members, skip_damaged);
  return {images, labels_by_folder(images), 0};
}

}  // namespace ddls
