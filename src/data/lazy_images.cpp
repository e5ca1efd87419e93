#include "data/lazy_images.hpp"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <algorithm>
#include <array>
#include <exception>

#include "base/error.hpp"
#include "base/files.hpp"
#include "base/log.hpp"
#include "data/fit_image.hpp"
#include "data/image_part.hpp"
#include "tensor/image_io.hpp"

namespace ddls::data {
namespace {

constexpr int64_t most_damaged_in_a_row = 1000;  // more is another kind of trouble

}  // namespace

LazyImages::LazyImages(std::shared_ptr<const ImageSource> source, const DecodeOptions& options,
                       std::shared_ptr<PixelLog> log)
    : source_(std::move(source)),
      options_(options),
      pixel_log_(log ? std::move(log) : std::make_shared<PixelLog>(options.rules)) {
  ensure(source_->size() > 0, "a set without images");
  for (int64_t id = 0; id < std::min(size(), most_damaged_in_a_row); ++id) {
    if (const auto image = try_decode(id, {})) {
      shape_ = image->sizes().vec();
      return;
    }
  }
  fail(Exit::data, "the first {} images are damaged, from '{}'", std::min(size(), most_damaged_in_a_row),
       source_->name(0));
}

bool LazyImages::is_damaged(int64_t id) const { return !try_decode(id, {}); }

int64_t LazyImages::damaged() const {
  const std::scoped_lock lock(mutex_);
  return static_cast<int64_t>(damaged_.size());
}

at::Tensor LazyImages::damaged_ids() const {
  const std::scoped_lock lock(mutex_);
  return at::tensor(std::vector<int64_t>(damaged_.begin(), damaged_.end()), at::kLong);
}

uint64_t LazyImages::digest() const {
  const std::array<int64_t, 3> options{options_.size, options_.channels, options_.skip_damaged ? 1 : 0};
  return hash64(std::as_bytes(std::span(options)), rules_digest(options_.rules, source_->digest()));
}

std::optional<at::Tensor> LazyImages::try_decode(int64_t id, std::optional<double> place) const {
  if (any_damaged_) {
    const std::scoped_lock lock(mutex_);
    if (damaged_.contains(id)) return std::nullopt;
  }
  const std::string name = source_->name(id);
  try {
    tensor::PixelNotes notes;
    const at::Tensor image =
        tensor::decode_image(source_->bytes(id), options_.channels, name, options_.size, options_.rules, &notes);
    pixel_log_->add(notes, name);
    return options_.size > 0 ? fit_image(image, options_.size, place) : image;
  } catch (const Error& error) {
    if (error.code() != Exit::data || !options_.skip_damaged) throw;
    const std::scoped_lock lock(mutex_);
    if (damaged_.insert(id).second) log::warning("skipped: {}", error.what());
    any_damaged_ = true;
    return std::nullopt;
  }
}

int64_t LazyImages::decode(int64_t id, std::optional<double> place, uint8_t* out) const {
  for (int64_t tried = 0; tried < std::min(size(), most_damaged_in_a_row); ++tried) {
    const int64_t candidate = (id + tried) % size();
    const auto image = try_decode(candidate, place);
    if (!image) continue;
    if (image->sizes() != shape_)
      fail(Exit::data, "'{}' has {} channels of {} x {} pixels, the first image of its set {} of {} x {}; set {}",
           source_->name(candidate), image->size(0), image->size(2), image->size(1), shape_[0], shape_[2], shape_[1],
           image->size(0) != shape_[0] ? "data.channels to 1 or 3 if grey and colour are meant to be mixed"
                                       : "data.image_size");
    std::copy_n(image->const_data_ptr<uint8_t>(), image->numel(), out);
    return candidate;
  }
  fail(Exit::data, "'{}' and all {} images behind it are damaged", source_->name(id),
       std::min(size(), most_damaged_in_a_row) - 1);
}

LazyImages::Rows LazyImages::rows(const at::Tensor& ids) const {
  const at::Tensor wanted = ids.contiguous();
  const int64_t n = wanted.numel(), bytes = shape_[0] * shape_[1] * shape_[2];
  Rows rows{at::empty({n, shape_[0], shape_[1], shape_[2]}, at::kByte), at::empty({n}, at::kLong)};
  const int64_t* in = wanted.const_data_ptr<int64_t>();
  uint8_t* out = rows.images.mutable_data_ptr<uint8_t>();
  int64_t* used = rows.ids.mutable_data_ptr<int64_t>();
  std::vector<std::exception_ptr> failures(static_cast<size_t>(n));
  at::parallel_for(0, n, 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      try {
        used[i] = decode(in[i], {}, out + i * bytes);
      } catch (...) {
        failures[static_cast<size_t>(i)] = std::current_exception();
        return;  // the first of all parts is among those kept, whatever the number of threads
      }
    }
  });
  for (const std::exception_ptr& failure : failures)
    if (failure) std::rethrow_exception(failure);
  return rows;
}

std::shared_ptr<const LazyImages> LazyImages::part(const at::Tensor& ids) const {
  return std::make_shared<LazyImages>(std::make_shared<ImagePart>(source_, ids), options_, pixel_log_);
}

}  // namespace ddls::data
