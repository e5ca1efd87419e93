#include "data/file_kind.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <unordered_map>

#include "base/files.hpp"
#include "base/log.hpp"

namespace ddls::data {
namespace {

constexpr std::array images{"png", "jpg", "jpeg"};
constexpr std::array labels{"cls", "json"};
constexpr std::array archives{"tar", "tar.gz", "tgz"};
constexpr std::array packed{"tar.xz", "txz", "tar.zst",  "tzst",  "tar.bz2", "tbz",    "tbz2",   "tar.lz4",
                            "tar.lz", "tlz", "tar.lzma", "tar.z", "tar.br",  "tar.sz", "tar.lzo"};
constexpr std::array other_archives{"zip", "7z", "rar"};
constexpr std::array other_images{"webp", "bmp",  "dib",  "tif",  "tiff", "gif",  "jp2", "j2k", "jpx",  "jpf",
                                  "jxl",  "avif", "heic", "heif", "ppm",  "pgm",  "pbm", "pnm", "pam",  "pfm",
                                  "tga",  "ico",  "psd",  "exr",  "hdr",  "jfif", "jpe", "jif", "apng", "dng",
                                  "svg",  "qoi",  "pcx",  "ras",  "sgi",  "xbm",  "xpm", "cr2", "nef",  "arw"};

template <size_t n>
bool among(const std::array<const char*, n>& words, std::string_view word) {
  return std::ranges::find(words, word) != words.end();
}

FileKind kind_of_extension(std::string_view extension) {
  if (among(images, extension)) return FileKind::image;
  if (among(labels, extension)) return FileKind::label;
  if (among(archives, extension)) return FileKind::archive;
  if (among(packed, extension)) return FileKind::packed_archive;
  if (among(other_archives, extension)) return FileKind::other_archive;
  return among(other_images, extension) ? FileKind::other_image : FileKind::other;
}

int64_t sum(const std::map<std::string, int64_t>& counts) {
  int64_t total = 0;
  for (const auto& [extension, count] : counts) total += count;
  return total;
}

std::string listed(const std::map<std::string, int64_t>& counts) {
  constexpr size_t most_named = 8;
  std::vector<std::string> parts;
  for (const auto& [extension, count] : counts) {
    if (parts.size() == most_named) {
      parts.emplace_back("...");
      break;
    }
    parts.push_back(fmt::format("{} {}", count, extension.empty() ? "without an ending" : extension));
  }
  return fmt::format("{}", fmt::join(parts, ", "));
}

std::string counted(int64_t count, const char* one, const char* several) {
  return fmt::format("{} {}", count, count == 1 ? one : several);
}

}  // namespace

std::string_view last_part(std::string_view path) { return path.substr(path.rfind('/') + 1); }  // npos + 1 is 0

std::string extension_of(std::string_view name) {
  name = last_part(name);
  const size_t dot = name.rfind('.');
  if (dot == std::string_view::npos) return "";
  const auto lower = [](std::string_view part) {
    std::string text(part);
    for (char& c : text) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    return text;
  };
  if (dot >= 4 && lower(name.substr(dot - 4, 4)) == ".tar") {
    std::string both = lower(name.substr(dot - 3));
    if (among(archives, both) || among(packed, both)) return both;
  }
  return lower(name.substr(dot + 1));
}

FileKind kind_of(std::string_view name) { return kind_of_extension(extension_of(name)); }

std::optional<size_t> hidden_part(std::string_view path) {
  for (size_t at = 0; at < path.size();) {
    const size_t end = std::min(path.find('/', at), path.size());
    const std::string_view part = path.substr(at, end - at);
    if (part.starts_with('.') && part != "." && part != "..") return end;
    at = end + 1;
  }
  return std::nullopt;
}

void LeftOut::add(std::string_view name) {
  std::string extension = extension_of(name);
  switch (kind_of_extension(extension)) {
    case FileKind::other_image:
      ++image_formats[std::move(extension)];
      break;
    case FileKind::archive:
    case FileKind::packed_archive:
    case FileKind::other_archive:
      ++archives[std::move(extension)];
      break;
    default:
      ++others[std::move(extension)];
  }
}

void LeftOut::add_hidden_file(std::string_view name) {
  const FileKind kind = kind_of(name);
  ++(kind == FileKind::image || kind == FileKind::other_image ? hidden_images : hidden_files);
}

void LeftOut::operator+=(const LeftOut& more) {
  for (const auto& [extension, count] : more.image_formats) image_formats[extension] += count;
  for (const auto& [extension, count] : more.archives) archives[extension] += count;
  for (const auto& [extension, count] : more.others) others[extension] += count;
  hidden_images += more.hidden_images;
  hidden_files += more.hidden_files;
  hidden_folders += more.hidden_folders;
  links += more.links;
  loose_images += more.loose_images;
  folders += more.folders;
  special += more.special;
}

int64_t LeftOut::files() const {
  return sum(image_formats) + sum(archives) + sum(others) + hidden_images + hidden_files + links + loose_images +
         special;
}

bool LeftOut::maybe_images() const {
  return !image_formats.empty() || !archives.empty() || hidden_images + links + loose_images + folders > 0;
}

std::string LeftOut::text() const {
  std::vector<std::string> parts;
  const auto say = [&](int64_t count, const char* one, const char* several, const std::string& list = "") {
    if (count > 0) parts.push_back(counted(count, one, several) + (list.empty() ? "" : " (" + list + ")"));
  };
  say(sum(image_formats), "image of a format that is not read", "images of formats that are not read",
      listed(image_formats));
  say(sum(archives), "archive", "archives", listed(archives));
  say(hidden_images, "hidden image", "hidden images");
  say(hidden_files, "hidden file", "hidden files");
  say(hidden_folders, "hidden folder", "hidden folders");
  say(links, "link", "links");
  say(loose_images, "image beside the archives", "images beside the archives");
  say(folders, "folder beside the archives", "folders beside the archives");
  say(special, "pipe or device", "pipes or devices");
  say(sum(others), "other file", "other files", listed(others));
  return fmt::format("{}", fmt::join(parts, ", "));
}

void tell_left_out(const std::string& name, int64_t read, const LeftOut& left_out) {
  const std::string text = left_out.text();
  if (text.empty()) return;
  const auto level = left_out.maybe_images() ? log::Level::warning : log::Level::info;
  log::write(level, fmt::format("'{}': {} read; left out: {}{}", name, counted(read, "image", "images"), text,
                                left_out.image_formats.empty() ? "" : "; PNG and JPEG are read, convert the others"));
}

std::string_view sample_name(std::string_view path) {
  const size_t slash = path.rfind('/');
  return path.substr(0, path.find('.', slash == std::string_view::npos ? 0 : slash));
}

std::optional<SampleMates> mates_in_samples(const std::vector<std::string_view>& paths,
                                            const std::vector<size_t>& groups, bool strict) {
  struct Sample {
    size_t first = 0, second = 0, images = 0;
  };
  const auto key = [&](size_t i) { return hash64(sample_name(paths[i]), groups.empty() ? 0 : groups[i]); };
  std::unordered_map<uint64_t, Sample> samples;
  samples.reserve(paths.size());
  size_t most = 0;
  std::optional<SampleMates> mates;
  for (size_t i = 0; i < paths.size(); ++i) {
    Sample& sample = samples[key(i)];
    if (sample.images++ == 0) sample.first = i;
    if (sample.images == 2 && !mates) mates = {sample.first, i};
    most = std::max(most, sample.images);
  }
  if (strict || !mates) return mates;
  if (samples.size() < most) return std::nullopt;
  // Endings that several samples have: the parts that samples of this set consist of.
  struct Ending {
    uint64_t sample = 0;
    bool shared = false;
  };
  std::unordered_map<std::string_view, Ending> endings;
  const auto ending_of = [&](size_t i) { return paths[i].substr(sample_name(paths[i]).size()); };
  for (size_t i = 0; i < paths.size(); ++i) {
    const auto [place, fresh] = endings.try_emplace(ending_of(i), Ending{key(i), false});
    if (!fresh && place->second.sample != key(i)) place->second.shared = true;
  }
  size_t images_of_several = 0, shared = 0;
  for (size_t i = 0; i < paths.size(); ++i) {
    if (samples[key(i)].images < 2) continue;
    ++images_of_several;
    if (endings[ending_of(i)].shared) ++shared;
  }
  return 2 * shared >= images_of_several ? mates : std::nullopt;
}

}  // namespace ddls::data
