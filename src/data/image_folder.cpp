#include "data/image_folder.hpp"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <algorithm>
#include <atomic>
#include <exception>
#include <mutex>
#include <thread>

#include "base/error.hpp"
#include "base/files.hpp"
#include "base/log.hpp"
#include "data/fit_image.hpp"
#include "data/folder_files.hpp"
#include "tensor/image_io.hpp"

namespace ddls::data {
namespace {

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
      tensor::PixelNotes notes;
      image = tensor::read_image(path, options_.channels, options_.size, options_.rules, &notes);
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
      fail(Exit::data,
           "'{}' has {} channels, the images before it {}; take it out if it is a mask, or where grey and colour are "
           "meant to be mixed set data.channels to 1 or 3",
           path.string(), image.size(0), images_.size(1));
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
  FolderFiles found = list_image_folder(folder);
  const std::vector<LabelledFile>& files = found.files;
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
  result.class_names = std::move(found.class_names);
  result.left_out = std::move(found.left_out);
  if (result.damaged > 0) {
    log::warning("'{}': {} of {} images are damaged and left out", folder.string(), result.damaged, files.size());
  }
  return result;
}

FolderSource open_image_folder(const fs::path& folder) {
  FolderFiles found = list_image_folder(folder);
  std::vector<int64_t> labels;
  for (const LabelledFile& file : found.files) labels.push_back(file.label);
  FolderSource source;
  if (found.files[0].label >= 0) source.labels = at::tensor(labels);
  source.class_names = std::move(found.class_names);
  source.left_out = std::move(found.left_out);
  source.images = std::make_shared<FolderImages>(std::move(found.files));
  return source;
}

}  // namespace ddls::data
