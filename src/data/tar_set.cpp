#include "data/tar_set.hpp"

#include <ATen/ATen.h>

#include <algorithm>
#include <atomic>
#include <cctype>
#include <exception>
#include <set>
#include <thread>

#include "base/error.hpp"
#include "base/files.hpp"
#include "base/log.hpp"
#include "data/tar_file.hpp"
#include "data/tar_labels.hpp"

namespace ddls {
namespace {

constexpr size_t most_open_files = 512;  // below the usual limit of a process

bool archive_name(const fs::path& path) {
  const std::string name = path.filename().string();
  return name.ends_with(".tar") || name.ends_with(".tar.gz") || name.ends_with(".tgz");
}

struct Place {
  std::vector<fs::path> archives;  // sorted
  std::string inside;              // folder within them, or empty
};

// Follows the path to the archive that it leads into. No archives: it leads nowhere.
Place find(const fs::path& path) {
  Place place;
  if (fs::is_directory(path)) {
    for (const auto& entry : fs::directory_iterator(path))
      if (entry.is_regular_file() && archive_name(entry.path())) place.archives.push_back(entry.path());
    std::ranges::sort(place.archives);
    return place;
  }
  fs::path archive = path.lexically_normal(), inside;
  std::error_code error;
  while (!fs::exists(archive, error) && archive.has_parent_path() && archive != archive.parent_path()) {
    inside = inside.empty() ? archive.filename() : archive.filename() / inside;
    archive = archive.parent_path();
  }
  if (!fs::is_regular_file(archive, error)) return place;
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
  const Place place = find(path);
  return !place.archives.empty() && archive_name(place.archives.front());
}

TarSet open_tar_set(const fs::path& path, bool skip_damaged) {
  const Place place = find(path);
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
  const LabelledImages found = label_images(files, indices, place.inside, skip_damaged);
  if (found.images.empty()) fail(Exit::data, "'{}' holds no PNG or JPEG images", path.string());
  set.damaged += found.damaged;
  if (!found.labels.empty()) set.labels = at::tensor(found.labels);
  set.images = std::make_shared<TarImages>(std::move(files), found.images);
  return set;
}

}  // namespace ddls
