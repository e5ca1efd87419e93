#include "metrics/extract_set.hpp"

#include <ATen/ATen.h>

#include <chrono>
#include <future>

#include "base/log.hpp"

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

}  // namespace

SetFeatures extract_set(dist::Communicator& comm, const EvaluationSet& set, const ExtractOptions& options) {
  const int64_t features = options.extractor ? options.extractor->features : set.sample_shape.at(0);
  SetFeatures result;
  result.name = set.name;
  result.count = set.count;
  result.labels = set.labels;
  result.unlabelled = set.unlabelled;
  result.class_names = set.class_names;
  result.rows.plan = {set.count, block_rows(options.batch, set.count)};
  result.rows.count = std::min(options.keep, set.count);
  result.rows.features = features;
  const std::vector<Block> blocks = result.rows.plan.blocks_of(comm.rank(), comm.ranks());
  if (!blocks.empty()) result.rows.first_own = blocks.front().index;

  Moments moments(features);
  const auto start = std::chrono::steady_clock::now();
  comm.together([&] {
    const auto when = set.on_calling_thread ? std::launch::deferred : std::launch::async;
    const auto decode = [&](size_t i) {
      return std::async(when, [&set, ids = blocks[i].ids] { return set.read(ids); });
    };
    std::future<std::vector<Piece>> next;
    if (!blocks.empty()) next = decode(0);
    for (size_t i = 0; i < blocks.size(); ++i) {
      const std::vector<Piece> pieces = next.get();
      if (i + 1 < blocks.size()) next = decode(i + 1);
      const Features block = features_of(set, pieces, blocks[i].ids, options);
      if (options.moments) moments.add(block.features);
      for (StreamedSums* sums : options.streamed) sums->add(block, blocks[i].ids);
      if (blocks[i].ids.begin < result.rows.count) result.rows.own.push_back(block.features);
    }
  });
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  if (options.extractor)
    log::info("features of {}: {} images in {:.2f} s, {:.2f} images/s", set.name, set.count, seconds,
              static_cast<double>(set.count) / seconds);
  if (options.moments) {
    at::Tensor centre = moments.centre().clone();
    comm.broadcast(centre);
    moments.recentre(centre);
    comm.all_reduce(moments.sums());
    comm.together([&] { result.gaussian = moments.statistics(set.name); });
  }
  for (StreamedSums* sums : options.streamed) comm.all_reduce(sums->sums());
  bool finite = true;
  for (const at::Tensor& rows : result.rows.own) finite = finite && at::isfinite(rows).all().item<bool>();
  if (options.keep > 0) result.finite = !comm.any(!finite);
  return result;
}

}  // namespace ddls::metrics
