#pragma once
// The one rule of what a file is to a set, by its name alone: folders and archives are searched by it alike. And the
// count of what a search passed over.
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace ddls::data {

enum class FileKind {
  image,           // .png .jpg .jpeg: read
  label,           // .cls .json: of WebDataset, read where they lie in an archive
  archive,         // .tar .tar.gz .tgz: read
  packed_archive,  // other compressions of tar, which are not read
  other_archive,   // .zip .7z .rar
  other_image,     // .webp .bmp .tiff ...: images in a format that is not read
  other,
};

// `name`: a path or its last part; upper and lower case are alike.
FileKind kind_of(std::string_view name);
std::string_view last_part(std::string_view path);
// In lower case, without the dot ("tar.zst" for archives); empty where there is none.
std::string extension_of(std::string_view name);

// The length of `path` up to the end of its first part that begins with a dot ("." and ".." apart): it, and what lies
// below it, is hidden. Nothing: no part does.
std::optional<size_t> hidden_part(std::string_view path);

// How many files of a set were left out, by reason. What lies in hidden folders is counted where it lies in them
// directly.
struct LeftOut {
  std::map<std::string, int64_t> image_formats, archives, others;  // by extension
  int64_t hidden_images = 0, hidden_files = 0, hidden_folders = 0;
  int64_t links = 0;                      // of archives: to folders or to files of unknown kind
  int64_t loose_images = 0, folders = 0;  // beside the archives of a folder
  int64_t special = 0;                    // pipes, sockets, devices

  void add(std::string_view name);  // by its kind, of a file that is not hidden
  void add_hidden_file(std::string_view name);
  void operator+=(const LeftOut& more);
  int64_t files() const;
  bool maybe_images() const;  // some of them are images, or may hold some
  // "30 images of other formats (10 bmp, 20 webp), 2 hidden files"; empty where nothing was left out.
  std::string text() const;
};

// One line of the log on a set called `name` that has `read` images: a warning where images may be missing. Nothing
// where nothing was left out.
void tell_left_out(const std::string& name, int64_t read, const LeftOut& left_out);

// A sample's name, in WebDataset, is the path up to the first dot of its last part.
std::string_view sample_name(std::string_view path);

// The second image of a sample among the paths of a set, where the paths say that its samples have several:
// "7.left.png" and "7.right.png", "7.jpg" and "7.seg.png". A series ("cat.1.png", "cat.2.png", ...: names with more
// images than there are names) is none, nor are endings that no other name has. `groups[i]`: the archive that path i is
// in; empty: all are in one.
struct SampleMates {
  size_t first = 0, second = 0;  // places in `paths`
};
std::optional<SampleMates> mates_in_samples(const std::vector<std::string_view>& paths,
                                            const std::vector<size_t>& groups = {}, bool strict = false);

}  // namespace ddls::data
