#pragma once
// A data set is a function from ids to samples; everything about order, batches and ranks is the caller's.
// Points: float32 [n, 2]. Images: uint8 [n, C, H, W]. Small sets are held in memory; tar archives, and folders on
// request, are decoded whenever a sample is asked for.
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "config/config.hpp"
#include "data/class_names.hpp"
#include "data/file_kind.hpp"
#include "data/lazy_images.hpp"

namespace ddls::data {

struct Dataset {
  std::string name;     // for reports: "fashion-mnist train", "25 Gaussians"
  at::Tensor samples;   // [N, 2] float32 or [N, C, H, W] uint8, CPU, contiguous; undefined where `lazy` is set
  at::Tensor labels;    // [N] int64, undefined where there are none
  int64_t damaged = 0;  // skipped at opening (data.damaged: skip); lazy->damaged() counts those met later
  std::shared_ptr<const LazyImages> lazy = nullptr;
  ClassNames class_names = {};  // of class i; empty: the classes are numbers
  LeftOut left_out = {};        // of a folder or archive
  std::string unlabelled = {};  // why there are no labels though there is something like them (tar_set.hpp)

  int64_t size() const { return lazy ? lazy->size() : samples.defined() ? samples.size(0) : 0; }
  bool images() const { return lazy || (samples.defined() && samples.dim() == 4); }
  std::vector<int64_t> shape() const;         // of one sample: {2}, {3, 32, 32}
  int64_t classes() const;                    // the highest label + 1; 0 without labels
  std::vector<int64_t> classes_seen() const;  // ascending; empty without labels
  std::string why_no_labels() const;          // "'NAME' has no labels", with the reason where one is known
  // Of samples and labels: all ranks must agree. Of a lazy set: of its names and sizes, not of its content.
  uint64_t digest() const;

  // Samples by id ([n] int64, CPU) and their labels (undefined without). They go together: in a lazy set another image,
  // and so another label, may stand in for a damaged one. Throws Error(data) that names a damaged file.
  struct Rows {
    at::Tensor samples, labels;
  };
  Rows take(const at::Tensor& ids) const;
  at::Tensor rows(const at::Tensor& ids) const { return take(ids).samples; }
  // The samples [begin, begin + count): a view of those in memory, without a copy.
  at::Tensor rows(int64_t begin, int64_t count) const;
  // Samples `ids` ([n] int64, n > 0, CPU) alone, as a data set called `part_name`: a copy of those in memory.
  Dataset part(const at::Tensor& ids, const std::string& part_name) const;
};

enum class Split { train, test };

// The data of the configuration, for every `data.kind`; the one switch. data.image_size and data.channels apply to
// every kind of images. `test` of toy data is a second draw with another seed; for the other kinds, without data.test
// there is no test set (size 0, undefined tensors). Throws Error: missing (names the key), data (names the file),
// config.
Dataset open_dataset(const config::DataConfig& config, Split split, uint64_t seed);

// data.damaged, data.alpha and data.exif for images that keep their size and channels. Throws Error(config).
DecodeOptions as_stored(const config::DataConfig& config);

// A SET of docs/formats.md: folder of images, .npz (arr_0, arr_1), or samples folder of a run; or a tar archive
// (tar_set.hpp).
Dataset open_set(const std::string& path, const DecodeOptions& options = {});

// Epoch-wise random order without replacement: the id of the `position`-th sample drawn since the start of training.
// A pure function of (seed, size): every id appears once per epoch; any rank can ask for any position.
class EpochOrder {
 public:
  EpochOrder(uint64_t seed, int64_t size) : seed_(seed), size_(size) {}
  at::Tensor ids(int64_t first_position, int64_t count);  // [count] int64

 private:
  const at::Tensor& permutation(int64_t epoch);
  uint64_t seed_;
  int64_t size_, cached_epoch_ = -1;
  at::Tensor cached_;
};

}  // namespace ddls::data
