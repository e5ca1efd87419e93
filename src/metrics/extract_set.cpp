#include "metrics/extract_set.hpp"

#include <ATen/ATen.h>

#include <chrono>
#include <future>

#include "base/error.hpp"
#include "base/files.hpp"
#include "base/log.hpp"
#include "metrics/long_work.hpp"

namespace ddls::metrics {
namespace {

// Rows per block: whole batches; enough for the products of whole blocks to run at full speed, but of a small set few,
// so that several ranks have work.
int64_t block_rows(int64_t batch, int64_t count) {
  constexpr int64_t fast = 256, shares = 16;
  const int64_t rows = std::min(fast, (count + shares - 1) / shares);
  return batch * std::max<int64_t>(1, (rows + batch - 1) / batch);
}

// Filled up to the full batch with the first row: a network may round differently for another batch.
at::Tensor padded(const at::Tensor& rows, int64_t batch) {
  const int64_t missing = batch - rows.size(0);
  if (missing == 0) return rows;
  std::vector<int64_t> sizes = rows.sizes().vec();
  sizes.front() = missing;
  return at::cat({rows, rows.narrow(0, 0, 1).expand(sizes)});
}

// Features of a block in the order of its ids, whatever shapes its samples have.
Features features_of(const EvaluationSet& set, const std::vector<Piece>& pieces, IdRange ids,
                     const ExtractOptions& options) {
  Features block;
  for (const Piece& piece : pieces) {
    const int64_t n = piece.samples.size(0);
    std::vector<at::Tensor> features, logits;
    if (!options.extractor) {
      features.push_back(piece.samples.to(at::kFloat));
    } else {
      for (int64_t from = 0; from < n; from += options.batch) {
        end_if_stopped("features of", set.name);  // a large network needs a minute for a block
        const int64_t size = std::min(options.batch, n - from);
        const at::Tensor images = padded(piece.samples.narrow(0, from, size), options.batch);
        const auto name = [&](int64_t row) {  // rows of the padding are the first
          const int64_t place = piece.rows[static_cast<size_t>(row < size ? from + row : from)];
          return set.sample_name(ids.begin + place);
        };
        const Features part = options.extractor->extract(images, options.logits, name);
        features.push_back(part.features.narrow(0, 0, size));
        if (options.logits) logits.push_back(part.logits.narrow(0, 0, size));
      }
    }
    const at::Tensor places = at::tensor(piece.rows, at::kLong);
    const auto place = [&](at::Tensor& whole, const std::vector<at::Tensor>& parts) {
      const at::Tensor joined = at::cat(parts);
      if (!whole.defined()) whole = at::empty({ids.size(), joined.size(1)}, at::kFloat);
      whole.index_copy_(0, places, joined);
    };
    place(block.features, features);
    if (options.logits) place(block.logits, logits);
  }
  return block;
}

// As a network takes them: of a resize that makes all equal, images of one number of channels come together.
std::vector<Piece> resized(const std::vector<Piece>& pieces, const Resize& resize) {
  if (!resize.any()) return pieces;
  struct Members {
    std::vector<int64_t> rows;
    std::vector<at::Tensor> images;
  };
  std::map<int64_t, Members> by_channels;
  for (const Piece& piece : pieces) {
    Members& members = by_channels[piece.samples.size(1)];
    members.rows.insert(members.rows.end(), piece.rows.begin(), piece.rows.end());
    members.images.push_back(resize.applied(piece.samples));
  }
  std::vector<Piece> result;
  for (auto& [channels, members] : by_channels) result.push_back({std::move(members.rows), at::cat(members.images)});
  return result;
}

// What tells whether two evaluations had the same samples: the sum over samples of a hash of place, shape and values,
// so that ranks add up theirs. Its halves apart: int64 sums of 32-bit numbers.
class Digest {
 public:
  void add(const std::vector<Piece>& pieces, IdRange ids) {
    int64_t* const halves = sums_.mutable_data_ptr<int64_t>();
    for (const Piece& piece : pieces) {
      const at::Tensor samples = piece.samples.cpu().contiguous();
      const std::string shape =
          fmt::format("{} {}", c10::toString(samples.scalar_type()), fmt::join(samples.sizes().slice(1), "x"));
      const size_t bytes = samples.nbytes() / piece.rows.size();
      const auto* row = static_cast<const std::byte*>(samples.const_data_ptr());
      for (size_t i = 0; i < piece.rows.size(); ++i, row += bytes) {
        const auto place = static_cast<uint64_t>(ids.begin + piece.rows[i]);
        const uint64_t hash = hash64(std::span(row, bytes), hash64(shape, place));
        halves[0] += static_cast<int64_t>(hash & 0xFFFFFFFF);
        halves[1] += static_cast<int64_t>(hash >> 32);
      }
    }
  }

  // **Collective.**
  std::string of_all(dist::Communicator& comm) {
    comm.all_reduce(sums_);
    const int64_t* const halves = sums_.const_data_ptr<int64_t>();
    return hex64(static_cast<uint64_t>(halves[0]) + (static_cast<uint64_t>(halves[1]) << 32));
  }

 private:
  at::Tensor sums_ = at::zeros({2}, at::kLong);
};

// What one network makes of this rank's blocks.
class Extraction {
 public:
  Extraction(dist::Communicator& comm, const EvaluationSet& set, const ExtractOptions& options)
      : options_(options), set_(set), moments_(features_each()) {
    result_.name = set.name;
    result_.count = set.count;
    result_.labels = set.labels;
    result_.unlabelled = set.unlabelled;
    result_.class_names = set.class_names;
    result_.rows.plan = {set.count, block_rows(options.batch, set.count)};
    result_.rows.count = std::min(options.keep, set.count);
    result_.rows.features = features_each();
    const std::vector<Block> blocks = result_.rows.plan.blocks_of(comm.rank(), comm.ranks());
    if (!blocks.empty()) result_.rows.first_own = blocks.front().index;
  }

  const BlockPlan& plan() const { return result_.rows.plan; }
  const ExtractOptions& options() const { return options_; }
  Resize resize() const { return options_.extractor ? options_.extractor->resize : Resize{}; }

  void add(const std::vector<Piece>& pieces, IdRange ids) {
    const auto start = std::chrono::steady_clock::now();
    const Features block = features_of(set_, pieces, ids, options_);
    if (options_.moments) moments_.add(block.features);
    for (StreamedSums* sums : options_.streamed) sums->add(block, ids);
    if (ids.begin < result_.rows.count) result_.rows.own.push_back(block.features);
    seconds_ += std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  }

  double seconds() const { return seconds_; }

  // **Collective.**
  SetFeatures finished(dist::Communicator& comm) {
    if (options_.moments) {
      at::Tensor centre = moments_.centre().clone();
      comm.broadcast(centre);
      moments_.recentre(centre);
      comm.all_reduce(moments_.sums());
      comm.together([&] { result_.gaussian = moments_.statistics(set_.name); });
    }
    for (StreamedSums* sums : options_.streamed) comm.all_reduce(sums->sums());
    bool finite = true;
    for (const at::Tensor& rows : result_.rows.own) finite = finite && at::isfinite(rows).all().item<bool>();
    if (options_.keep > 0) result_.finite = !comm.any(!finite);
    return std::move(result_);
  }

 private:
  int64_t features_each() const { return options_.extractor ? options_.extractor->features : set_.sample_shape.at(0); }

  const ExtractOptions& options_;
  const EvaluationSet& set_;
  Moments moments_;
  SetFeatures result_;
  double seconds_ = 0;
};

void tell_speed(const EvaluationSet& set, const std::vector<Extraction>& extractions, double seconds) {
  const auto count = static_cast<double>(set.count);
  for (const Extraction& one : extractions)
    if (one.options().extractor && extractions.size() == 1)
      log::info("features of {}: {} images in {:.2f} s, {:.2f} images/s", set.name, set.count, seconds,
                count / seconds);
    else if (one.options().extractor)
      log::info("features of {} by {}: {} images, {:.2f} s of {:.2f} s for all networks", set.name,
                one.options().extractor->name, set.count, one.seconds(), seconds);
}

}  // namespace

std::vector<SetFeatures> extract_set_for_each(dist::Communicator& comm, const EvaluationSet& set,
                                              std::span<const ExtractOptions> options) {
  std::vector<Extraction> extractions;
  extractions.reserve(options.size());
  for (const ExtractOptions& one : options) {
    ensure(one.batch == options.front().batch, "networks that share a pass share the batch");
    extractions.emplace_back(comm, set, one);
  }
  if (extractions.empty()) return {};
  const std::vector<Block> blocks = extractions.front().plan().blocks_of(comm.rank(), comm.ranks());
  Digest digest;
  LongWork work("features of " + set.name, static_cast<int64_t>(blocks.size()), comm.root());
  const auto start = std::chrono::steady_clock::now();
  comm.together([&] {
    const auto when = set.on_calling_thread ? std::launch::deferred : std::launch::async;
    const auto decode = [&](size_t i) {
      return std::async(when, [&, ids = blocks[i].ids] {
        const std::vector<Piece> pieces = set.read(ids);
        digest.add(pieces, ids);  // one block at a time
        std::vector<std::vector<Piece>> each;
        for (size_t n = 0; n < extractions.size(); ++n) {  // networks that take the same size share the images
          size_t same = 0;
          while (!(extractions[same].resize() == extractions[n].resize())) ++same;
          each.push_back(same < n ? each[same] : resized(pieces, extractions[n].resize()));
        }
        return each;
      });
    };
    std::future<std::vector<std::vector<Piece>>> next;
    if (!blocks.empty()) next = decode(0);
    for (size_t i = 0; i < blocks.size(); ++i) {
      end_if_stopped("features of", set.name);
      const std::vector<std::vector<Piece>> pieces = next.get();
      if (i + 1 < blocks.size()) next = decode(i + 1);
      for (size_t n = 0; n < extractions.size(); ++n) extractions[n].add(pieces[n], blocks[i].ids);
      work.step();
    }
  });
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  tell_speed(set, extractions, seconds);
  const std::string of_samples = digest.of_all(comm);
  std::vector<SetFeatures> results;
  for (Extraction& one : extractions) {
    results.push_back(one.finished(comm));
    results.back().digest = of_samples;
  }
  return results;
}

SetFeatures extract_set(dist::Communicator& comm, const EvaluationSet& set, const ExtractOptions& options) {
  return std::move(extract_set_for_each(comm, set, {&options, 1}).front());
}

}  // namespace ddls::metrics
