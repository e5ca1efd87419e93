#include "data/image_folder.hpp"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <algorithm>
#include <atomic>
#include <cctype>
#include <exception>
#include <mutex>
#include <thread>

#include "base/error.hpp"
#include "base/files.hpp"
#include "base/log.hpp"
#include "data/fit_image.hpp"
#include "tensor/image_io.hpp"

namespace ddls {
namespace {

struct LabelledFile {
  fs::path path;
  int64_t label = -1;
};

bool hidden(const fs::path& path) { return path.filename().string().starts_with('.'); }

bool is_image(const fs::directory_entry& entry) {
  std::string extension = entry.path().extension().string();
  std::ranges::transform(extension, extension.begin(),
                         [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return entry.is_regular_file() && !hidden(entry.path()) &&
         (extension == ".png" || extension == ".jpg" || extension == ".jpeg");
}

std::vector<fs::path> images_below(const fs::path& folder) {
  std::vector<fs::path> files;
  for (const auto& entry : fs::recursive_directory_iterator(folder, fs::directory_options::follow_directory_symlink)) {
    if (is_image(entry)) files.push_back(entry.path());
  }
  std::ranges::sort(files);
  return files;
}

std::vector<LabelledFile> list_files(const fs::path& folder) {
  std::vector<fs::path> flat, classes;
  for (const auto& entry : fs::directory_iterator(folder)) {
    if (is_image(entry))
      flat.push_back(entry.path());
    else if (entry.is_directory() && !hidden(entry.path()))
      classes.push_back(entry.path());
  }
  std::ranges::sort(flat);
  std::ranges::sort(classes);
  std::vector<LabelledFile> files;
  if (!flat.empty() && !classes.empty()) {
    fail(Exit::data, "'{}' holds images and the folder '{}'; use images alone or one folder per class", folder.string(),
         classes.front().filename().string());
  }
  for (const fs::path& path : flat) files.push_back({path, -1});
  for (size_t label = 0; label < classes.size(); ++label) {
    const std::vector<fs::path> members = images_below(classes[label]);
    if (members.empty()) fail(Exit::data, "'{}' holds no PNG or JPEG files", classes[label].string());
    for (const fs::path& path : members) files.push_back({path, static_cast<int64_t>(label)});
  }
  if (files.empty()) fail(Exit::data, "'{}' holds no PNG or JPEG files", folder.string());
  return files;
}

// Decodes all files in parallel into one tensor, whose shape the first good file decides.
class Decoder {
 public:
  Decoder(const std::vector<LabelledFile>& files, const DecodeOptions& options)
      : files_(files), options_(options), pixel_log_(options.rules), good_(files.size(), 0), stop_at_(files.size()) {}

  void run() {
    size_t first = 0;
    while (first < files_.size() && !decode(first)) ++first;
    if (first == files_.size()) {
      fail(Exit::data, "all {} images of '{}' are damaged", files_.size(), files_[0].path.parent_path().string());
    }
    next_ = first + 1;
    const size_t threads = std::min(files_.size(), static_cast<size_t>(std::max(at::get_num_threads(), 1)));
    {
      std::vector<std::jthread> workers;
      for (size_t i = 1; i < threads; ++i) workers.emplace_back([this] { work(); });
      work();
    }
    if (failure_) std::rethrow_exception(failure_);
  }

  const at::Tensor& images() const { return images_; }
  bool good(size_t index) const { return good_[index] != 0; }

 private:
  // The files before the first bad one are all looked at, so that the error is the same for any number of
  // threads.
  void work() {
    for (size_t i = next_++; i < files_.size() && i < stop_at_; i = next_++) {
      try {
        decode(i);
      } catch (...) {
        const std::scoped_lock lock(mutex_);
        if (i < stop_at_) {
          stop_at_ = i;
          failure_ = std::current_exception();
        }
      }
    }
  }

  // False: damaged and to be skipped.
  bool decode(size_t index) {
    const fs::path& path = files_[index].path;
    at::Tensor image;
    try {
      PixelNotes notes;
      image = read_image(path, options_.channels, options_.size, options_.rules, &notes);
      pixel_log_.add(notes, path.string());
    } catch (const Error& error) {
      if (error.code() != Exit::data || !options_.skip_damaged) throw;
      log::warning("skipped: {}", error.what());
      return false;
    }
    if (options_.size > 0) image = fit_image(image, options_.size);
    place(index, image, path);
    return true;
  }

  void place(size_t index, const at::Tensor& image, const fs::path& path) {
    if (!images_.defined()) {  // the first good file, before there are threads
      images_ =
          at::empty({static_cast<int64_t>(files_.size()), image.size(0), image.size(1), image.size(2)}, at::kByte);
    }
    if (image.size(0) != images_.size(1)) {
      fail(Exit::data, "'{}' has {} channels, the images before it {}; set data.channels to 1 or 3", path.string(),
           image.size(0), images_.size(1));
    }
    if (image.size(1) != images_.size(2) || image.size(2) != images_.size(3)) {
      fail(Exit::data, "'{}' has {} x {} pixels, the images before it {} x {}; set data.image_size", path.string(),
           image.size(2), image.size(1), images_.size(3), images_.size(2));
    }
    const auto bytes = static_cast<size_t>(image.numel());
    std::copy_n(image.const_data_ptr<uint8_t>(), bytes, images_.mutable_data_ptr<uint8_t>() + index * bytes);
    good_[index] = 1;
  }

  const std::vector<LabelledFile>& files_;
  const DecodeOptions& options_;
  PixelLog pixel_log_;
  at::Tensor images_;
  std::vector<char> good_;  // not bool: written by several threads
  std::atomic<size_t> next_ = 0, stop_at_;
  std::mutex mutex_;
  std::exception_ptr failure_;
};

std::vector<LabelledFile> files_in(const fs::path& folder) {
  if (!fs::is_directory(folder)) fail(Exit::missing, "'{}' is not a folder", folder.string());
  try {
    return list_files(folder);
  } catch (const fs::filesystem_error& error) {
    fail(Exit::runtime, "cannot list '{}': {}", folder.string(), error.code().message());
  }
}

class FolderImages : public ImageSource {
 public:
  explicit FolderImages(std::vector<LabelledFile> files) : files_(std::move(files)) {
    for (const LabelledFile& file : files_) {
      std::error_code error;
      const uint64_t bytes = fs::file_size(file.path, error);
      digest_ = hash64(file.path.filename().string(), digest_ ^ (error ? 0 : bytes));
    }
  }
  int64_t size() const override { return static_cast<int64_t>(files_.size()); }
  std::string bytes(int64_t id) const override { return read_file(files_[static_cast<size_t>(id)].path); }
  std::string name(int64_t id) const override { return files_[static_cast<size_t>(id)].path.string(); }
  uint64_t digest() const override { return digest_; }

 private:
  std::vector<LabelledFile> files_;
  uint64_t digest_ = 0;
};

}  // namespace

ImageFolder read_image_folder(const fs::path& folder, const DecodeOptions& options) {
  const std::vector<LabelledFile> files = files_in(folder);
  Decoder decoder(files, options);
  decoder.run();
  std::vector<int64_t> kept, labels;
  for (size_t i = 0; i < files.size(); ++i) {
    if (!decoder.good(i)) continue;
    kept.push_back(static_cast<int64_t>(i));
    labels.push_back(files[i].label);
  }
  ImageFolder result;
  result.damaged = static_cast<int64_t>(files.size() - kept.size());
  result.images = result.damaged == 0 ? decoder.images() : decoder.images().index_select(0, at::tensor(kept));
  if (files[0].label >= 0) result.labels = at::tensor(labels);
  if (result.damaged > 0) {
    log::warning("'{}': {} of {} images are damaged and left out", folder.string(), result.damaged, files.size());
  }
  return result;
}

FolderSource open_image_folder(const fs::path& folder) {
  std::vector<LabelledFile> files = files_in(folder);
  std::vector<int64_t> labels;
  for (const LabelledFile& file : files) labels.push_back(file.label);
  FolderSource source;
  if (files[0].label >= 0) source.labels = at::tensor(labels);
  source.images = std::make_shared<FolderImages>(std::move(files));
  return source;
}

}  // namespace ddls
