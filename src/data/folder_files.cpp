#include "data/folder_files.hpp"

#include <algorithm>
#include <system_error>

#include "base/error.hpp"
#include "base/files.hpp"
#include "base/log.hpp"
#include "data/dataset_json.hpp"

namespace ddls::data {
namespace {

// The order of fs::path, part by part, without taking the paths apart.
bool before(const fs::path& one, const fs::path& other) {
  const std::string &a = one.native(), &b = other.native();
  const auto [x, y] = std::mismatch(a.begin(), a.end(), b.begin(), b.end());
  if (x == a.end() || y == b.end()) return y != b.end();
  const auto rank = [](char c) { return c == '/' ? 0 : static_cast<unsigned char>(c) + 1; };
  return rank(*x) < rank(*y);
}

class Search {
 public:
  // Adds the images that lie in `folder` directly to `images`, in no order; returns its folders, sorted.
  std::vector<fs::path> list(const fs::path& folder, std::vector<fs::path>& images) {
    std::vector<fs::path> folders;
    for (const auto& entry : fs::directory_iterator(folder)) {
      const std::string_view name = last_part(entry.path().native());
      if (name.starts_with('.'))
        count_hidden(entry);
      else if (const fs::file_type type = type_of(entry); type == fs::file_type::directory)
        folders.push_back(entry.path());
      else if (type == fs::file_type::regular)
        kind_of(name) == FileKind::image ? images.push_back(entry.path()) : left_out_.add(name);
      else if (type == fs::file_type::not_found)
        dangling_.push_back(entry.path());
      else
        ++left_out_.special;
    }
    std::ranges::sort(folders, before);
    return folders;
  }

  // Adds the images in `folder` and below it to `images`, in no order.
  void list_below(const fs::path& folder, std::vector<fs::path>& images) {
    enter(folder);
    for (const fs::path& inner : list(folder, images)) list_below(inner, images);
    within_.pop_back();
  }

  // The images in `folder` and below it, sorted.
  std::vector<fs::path> below(const fs::path& folder) {
    std::vector<fs::path> images;
    list_below(folder, images);
    std::ranges::sort(images, before);
    return images;
  }

  void enter(const fs::path& folder) {
    if (fs::is_symlink(folder))
      for (const fs::path& outer : within_)
        if (fs::equivalent(folder, outer))
          fail(Exit::data, "'{}' is a link to '{}', in which it lies: the search for images would never end; remove it",
               folder.string(), outer.string());
    within_.push_back(folder);
  }

  void require_no_dangling() {
    if (dangling_.empty()) return;
    std::ranges::sort(dangling_);
    std::error_code error;
    fail(Exit::missing, "'{}' is a link to '{}', which does not exist{}; get what is missing, or remove the link{}",
         dangling_.front().string(), fs::read_symlink(dangling_.front(), error).string(),
         dangling_.size() > 1 ? fmt::format(" ({} such links)", dangling_.size()) : "",
         dangling_.size() > 1 ? "s" : "");
  }

  LeftOut& left_out() { return left_out_; }

 private:
  // Of what the entry leads to; not_found: nowhere.
  static fs::file_type type_of(const fs::directory_entry& entry) {
    if (!entry.is_symlink())
      return entry.is_directory()      ? fs::file_type::directory
             : entry.is_regular_file() ? fs::file_type::regular
                                       : fs::file_type::unknown;
    std::error_code error;
    const fs::file_type type = fs::status(entry.path(), error).type();
    if (error == std::errc::too_many_symbolic_link_levels)
      fail(Exit::data, "'{}' is a link that leads back to itself; remove it", entry.path().string());
    if (error && type != fs::file_type::not_found) throw fs::filesystem_error("stat", entry.path(), error);
    return type;
  }

  void count_hidden(const fs::directory_entry& entry) {
    std::error_code error;
    if (!entry.is_directory(error)) return left_out_.add_hidden_file(last_part(entry.path().native()));
    ++left_out_.hidden_folders;
    // Those in it alone: a version control's folder may hold more files than the set.
    for (const auto& inner : fs::directory_iterator(entry.path(), error))
      if (!inner.is_directory(error)) left_out_.add_hidden_file(last_part(inner.path().native()));
  }

  LeftOut left_out_;
  std::vector<fs::path> dangling_, within_;  // links that lead nowhere; the folders that the search is in
};

std::string but_for(const LeftOut& left_out) {
  const std::string text = left_out.text();
  return text.empty() ? text : " (left out: " + text + ")";
}

// An unpacked WebDataset: here every file with an image's name is an image, so this is no error.
void tell_of_mates(const fs::path& folder, const std::vector<LabelledFile>& files) {
  const auto name = [&](size_t i) { return std::string_view(files[i].path.native()); };
  bool any = false;  // in sorted order the images of a sample are neighbours
  for (size_t i = 1; i < files.size() && !any; ++i) any = sample_name(name(i - 1)) == sample_name(name(i));
  if (!any) return;
  std::vector<std::string_view> names;
  for (size_t i = 0; i < files.size(); ++i) names.push_back(name(i));
  if (const auto mates = mates_in_samples(names))
    log::warning("'{}': '{}' and '{}' look like two images of one sample (a mask, a second view); both are read",
                 folder.string(), last_part(files[mates->first].path.native()),
                 last_part(files[mates->second].path.native()));
}

// Where a dataset.json has the word on labels, sub-folders are no classes.
FolderFiles search_by_json(const fs::path& folder, const DatasetJson& json) {
  Search search;
  FolderFiles result;
  std::vector<std::string> names;
  for (fs::path& path : search.below(folder)) {
    names.push_back(path.lexically_relative(folder).string());
    result.files.push_back({std::move(path), -1});
  }
  search.require_no_dangling();
  if (names.empty()) fail(Exit::data, "'{}' holds no PNG or JPEG files{}", folder.string(), but_for(search.left_out()));
  if (json.labelled()) {
    const std::vector<int64_t> labels = json.labels_of(names);
    for (size_t i = 0; i < labels.size(); ++i) result.files[i].label = labels[i];
  }
  result.left_out = std::move(search.left_out());
  const auto itself = result.left_out.others.find("json");
  if (itself != result.left_out.others.end() && --itself->second == 0) result.left_out.others.erase(itself);
  return result;
}

FolderFiles search(const fs::path& folder) {
  const fs::path json_file = folder / dataset_json_name;
  if (fs::is_regular_file(json_file))
    if (const auto json = DatasetJson::parse(read_file(json_file), json_file.string()))
      return search_by_json(folder, *json);
  Search search;
  FolderFiles result;
  search.enter(folder);
  std::vector<fs::path> flat;
  const std::vector<fs::path> folders = search.list(folder, flat);
  if (!flat.empty() && !folders.empty())
    fail(Exit::data, "'{}' holds images and the folder '{}'; use images alone or one folder per class", folder.string(),
         folders.front().filename().string());
  std::ranges::sort(flat, before);
  for (fs::path& path : flat) result.files.push_back({std::move(path), -1});
  for (const fs::path& class_folder : folders) {
    std::vector<fs::path> members = search.below(class_folder);
    search.require_no_dangling();
    if (members.empty())
      fail(Exit::data, "'{}' holds no PNG or JPEG files{}", class_folder.string(), but_for(search.left_out()));
    for (fs::path& path : members)
      result.files.push_back({std::move(path), static_cast<int64_t>(result.class_names.size())});
    result.class_names.push_back(class_folder.filename().string());
  }
  search.require_no_dangling();
  if (result.files.empty())
    fail(Exit::data, "'{}' holds no PNG or JPEG files{}", folder.string(), but_for(search.left_out()));
  result.left_out = std::move(search.left_out());
  return result;
}

}  // namespace

FolderFiles list_image_folder(const fs::path& folder) {
  std::error_code error;
  if (!fs::is_directory(folder, error)) fail(Exit::missing, "'{}' is not a folder", folder.string());
  try {
    FolderFiles found = search(folder);
    tell_of_mates(folder, found.files);
    return found;
  } catch (const fs::filesystem_error& problem) {
    fail(Exit::runtime, "cannot list '{}': {}", problem.path1().empty() ? folder.string() : problem.path1().string(),
         problem.code().message());
  }
}

}  // namespace ddls::data
