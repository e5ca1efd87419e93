#include "data/tar_set.hpp"

#include <ATen/ATen.h>

#include <algorithm>
#include <atomic>
#include <exception>
#include <thread>

#include "base/error.hpp"
#include "base/files.hpp"
#include "base/log.hpp"
#include "data/file_kind.hpp"
#include "data/tar_file.hpp"
#include "data/tar_labels.hpp"

namespace ddls::data {
namespace {

constexpr size_t most_open_files = 512;  // below the usual limit of a process

struct Place {
  std::vector<fs::path> archives;  // sorted
  std::string inside;              // folder within them, or empty
  LeftOut left_out;                // beside the archives
};

[[noreturn]] void refuse_packed(const fs::path& path) {
  const std::string extension = extension_of(path.native());
  const char* tool = extension.ends_with("xz")                                  ? "xz -d"
                     : extension.ends_with("zst")                               ? "zstd -d"
                     : extension.ends_with("bz2") || extension.ends_with("tbz") ? "bzip2 -d"
                     : extension.ends_with("lz4")                               ? "lz4 -d"
                                                                                : "the tool that made it";
  fail(Exit::data, "'{}' is an archive of a compression that is not read (.tar, .tar.gz and .tgz are); unpack it by {}",
       path.string(), tool);
}

// Archives of a folder, and what lies beside them. Part of a set left out would be another set.
Place archives_in(const fs::path& folder) {
  Place place;
  std::vector<fs::path> packed;
  for (const auto& entry : fs::directory_iterator(folder)) {
    const std::string name = entry.path().filename().string();
    const FileKind kind = kind_of(name);
    std::error_code error;
    const fs::file_type type = entry.status(error).type();
    const bool file = type == fs::file_type::regular;
    if (name.starts_with('.')) {
      file ? place.left_out.add_hidden_file(name) : void(++place.left_out.hidden_folders);
    } else if (type == fs::file_type::not_found && (kind == FileKind::archive || kind == FileKind::packed_archive)) {
      fail(Exit::missing, "'{}' is a link to '{}', which does not exist", entry.path().string(),
           fs::read_symlink(entry.path(), error).string());
    } else if (file && kind == FileKind::archive) {
      place.archives.push_back(entry.path());
    } else if (file && kind == FileKind::packed_archive) {
      packed.push_back(entry.path());
    } else if (file) {
      kind == FileKind::image ? void(++place.left_out.loose_images) : place.left_out.add(name);
    } else {
      ++(type == fs::file_type::directory ? place.left_out.folders : place.left_out.special);
    }
  }
  std::ranges::sort(place.archives);
  if (!place.archives.empty() && !packed.empty()) refuse_packed(std::ranges::min(packed));
  return place;
}

// Follows the path to the archive that it leads into. No archives: it leads nowhere.
Place find(const fs::path& path) {
  if (fs::is_directory(path)) return archives_in(path);
  Place place;
  fs::path archive = path.lexically_normal(), inside;
  std::error_code error;
  while (!fs::exists(archive, error) && archive.has_parent_path() && archive != archive.parent_path()) {
    inside = inside.empty() ? archive.filename() : archive.filename() / inside;
    archive = archive.parent_path();
  }
  if (!fs::is_regular_file(archive, error)) return place;
  if (kind_of(archive.native()) == FileKind::packed_archive) refuse_packed(archive);
  place.archives.push_back(archive);
  place.inside = inside.string();
  while (place.inside.ends_with('/')) place.inside.pop_back();
  return place;
}

// Names are kept in one string: a set like ImageNet has more than a million.
class TarImages : public ImageSource {
 public:
  TarImages(std::vector<std::unique_ptr<TarFile>> files, const std::vector<TarImage>& images)
      : files_(std::move(files)) {
    for (const TarImage& image : images) {
      entries_.push_back({image.offset, image.size, names_.size(), static_cast<uint32_t>(image.archive)});
      names_ += image.name;
      names_ += '\0';
    }
  }

  int64_t size() const override { return static_cast<int64_t>(entries_.size()); }

  std::string bytes(int64_t id) const override {
    const Entry& e = entries_[static_cast<size_t>(id)];
    std::string bytes = files_[e.archive]->read(e.offset, e.size);
    if (bytes.size() != e.size) fail(Exit::data, "'{}' has been cut since it was opened", name(id));
    return bytes;
  }

  std::string name(int64_t id) const override {
    const Entry& e = entries_[static_cast<size_t>(id)];
    return files_[e.archive]->path().string() + "/" + (names_.c_str() + e.name);
  }

  uint64_t digest() const override {
    uint64_t digest = hash64(names_);
    for (const Entry& e : entries_) {
      const std::array<uint64_t, 3> words{e.archive, e.offset, e.size};
      digest = hash64(std::as_bytes(std::span(words)), digest);
    }
    return digest;
  }

 private:
  struct Entry {
    uint64_t offset, size, name;
    uint32_t archive;
  };
  std::vector<std::unique_ptr<TarFile>> files_;
  std::vector<Entry> entries_;
  std::string names_;
};

struct Archive {
  std::unique_ptr<TarFile> file;
  TarIndex index;
  std::exception_ptr failure;
};

// Reading headers is waiting for the disk, so several archives at a time.
std::vector<Archive> read_archives(const std::vector<fs::path>& paths) {
  std::vector<Archive> archives(paths.size());
  std::atomic<size_t> next = 0;
  const auto work = [&] {
    for (size_t i = next++; i < paths.size(); i = next++) {
      try {
        archives[i].file = std::make_unique<TarFile>(paths[i], paths.size() <= most_open_files);
        archives[i].index = read_tar_index(*archives[i].file);
      } catch (...) {
        archives[i].failure = std::current_exception();
      }
    }
  };
  {
    std::vector<std::jthread> threads;
    for (size_t i = 1; i < std::min<size_t>(paths.size(), 8); ++i) threads.emplace_back(work);
    work();
  }
  for (const Archive& archive : archives)
    if (archive.failure) std::rethrow_exception(archive.failure);
  return archives;
}

}  // namespace

bool is_tar_set(const fs::path& path) {
  if (fs::is_directory(path))  // maybe of very many images: names are looked at, and no more
    return std::ranges::any_of(fs::directory_iterator(path), [](const fs::directory_entry& entry) {
      const std::string_view name = last_part(entry.path().native());
      return kind_of(name) == FileKind::archive && !name.starts_with('.') && !entry.is_directory();
    });
  const Place place = find(path);
  return !place.archives.empty() && kind_of(place.archives.front().native()) == FileKind::archive;
}

TarSet open_tar_set(const fs::path& path, bool skip_damaged) {
  Place place = find(path);
  if (place.archives.empty()) {
    if (fs::exists(path)) fail(Exit::data, "'{}' holds no .tar files", path.string());
    fail(Exit::missing, "'{}' does not exist", path.string());
  }
  std::vector<Archive> archives = read_archives(place.archives);
  TarSet set;
  std::vector<std::unique_ptr<TarFile>> files;
  std::vector<TarIndex> indices;
  for (Archive& archive : archives) {
    if (!archive.index.damage.empty()) {
      if (!skip_damaged) fail(Exit::data, "{}", archive.index.damage);
      log::warning("skipped the rest of an archive: {}", archive.index.damage);
      ++set.damaged;
    }
    files.push_back(std::move(archive.file));
    indices.push_back(std::move(archive.index));
  }
  LabelledImages found = label_images(files, indices, place.inside, skip_damaged);
  set.left_out = std::move(place.left_out);
  set.left_out += found.left_out;
  if (found.images.empty()) {
    const std::string passed = set.left_out.text();
    fail(Exit::data, "'{}' holds no PNG or JPEG images{}", path.string(),
         passed.empty() ? "" : " (left out: " + passed + ")");
  }
  set.damaged += found.damaged;
  set.class_names = std::move(found.class_names);
  set.unlabelled = std::move(found.unlabelled);
  if (!found.labels.empty()) set.labels = at::tensor(found.labels);
  set.images = std::make_shared<TarImages>(std::move(files), found.images);
  return set;
}

}  // namespace ddls::data
