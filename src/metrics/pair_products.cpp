#include "metrics/pair_products.hpp"

#include <ATen/ATen.h>

#include <algorithm>
#include <map>
#include <utility>

namespace ddls::metrics {
namespace {

// A difference of large numbers leaves noise between (nearly) equal rows: those are computed directly.
void compute_close_pairs(at::Tensor& squares, const at::Tensor& norms, const at::Tensor& x, const at::Tensor& y) {
  const at::Tensor close = (squares < norms * 1e-9).nonzero();
  if (close.size(0) == 0) return;
  const at::Tensor i = close.select(1, 0), j = close.select(1, 1);
  for (int64_t from = 0; from < close.size(0); from += 1024) {
    const int64_t count = std::min<int64_t>(1024, close.size(0) - from);
    const at::Tensor rows = i.narrow(0, from, count), columns = j.narrow(0, from, count);
    squares.index_put_({rows, columns}, (x.index_select(0, rows) - y.index_select(0, columns)).square().sum(1));
  }
}

at::Tensor as_double(const at::Tensor& rows) { return rows.to(at::kCPU, at::kDouble); }
at::Tensor squared_norms(const at::Tensor& rows) { return rows.square().sum(1, true); }

}  // namespace

PairBlock::PairBlock(IdRange rows_, IdRange columns_, at::Tensor x_, at::Tensor y_, at::Tensor x_squares_,
                     at::Tensor y_squares_)
    : rows(rows_),
      columns(columns_),
      x(std::move(x_)),
      y(std::move(y_)),
      x_squares(std::move(x_squares_)),
      y_squares(std::move(y_squares_)),
      products(at::mm(x, y.t())) {}

PairBlock::PairBlock(IdRange rows_, IdRange columns_, const PairBlock& whole)
    : rows(rows_),
      columns(columns_),
      x(whole.x.narrow(0, 0, rows.size())),
      y(whole.y.narrow(0, 0, columns.size())),
      x_squares(whole.x_squares.narrow(0, 0, rows.size())),
      y_squares(whole.y_squares.narrow(1, 0, columns.size())),
      products(whole.products.narrow(0, 0, rows.size()).narrow(1, 0, columns.size())) {}

const at::Tensor& PairBlock::distances() const {
  if (distances_->defined()) return *distances_;
  const at::Tensor norms = x_squares + y_squares;
  at::Tensor squares = at::add(norms, products, -2);
  compute_close_pairs(squares, norms, x, y);
  return *distances_ = squares.sqrt_().to(at::kFloat);
}

PairBlock PairBlock::first(int64_t row_count, int64_t column_count) const {
  const auto below = [](IdRange ids, int64_t count) {
    return IdRange{ids.begin, std::max(ids.begin, std::min(ids.end, count))};
  };
  const IdRange some_rows = below(rows, row_count), some_columns = below(columns, column_count);
  return some_rows == rows && some_columns == columns ? *this : PairBlock(some_rows, some_columns, *this);
}

void for_each_product(dist::Communicator& comm, const FeatureBlocks& rows, const FeatureBlocks& columns, Pairs pairs,
                      const std::function<void(const PairBlock&)>& use, const std::string& title) {
  std::map<int64_t, at::Tensor> squares;  // of this rank's blocks of rows
  int64_t current = -1;
  at::Tensor y, y_squares;
  for_each_pair(
      comm, rows, columns, pairs,
      [&](const BlockOfRows& a, const BlockOfRows& b) {
        if (b.block != std::exchange(current, b.block)) {
          y = as_double(b.rows);
          y_squares = squared_norms(y).t();
        }
        const at::Tensor x = as_double(a.rows);
        at::Tensor& x_squares = squares[a.block];
        if (!x_squares.defined()) x_squares = squared_norms(x);
        use(PairBlock(a.ids, b.ids, x, y, x_squares, y_squares));
      },
      title);
}

void add_pairs(dist::Communicator& comm, const FeatureBlocks& real, const FeatureBlocks& fake,
               std::span<const std::shared_ptr<PairSums>> all) {
  if (all.empty()) return;
  int64_t reals = 0, fakes = 0;
  for (const auto& sums : all) {
    reals = std::max(reals, sums->reals());
    fakes = std::max(fakes, sums->fakes());
  }
  for_each_product(
      comm, real.first(reals), fake.first(fakes), Pairs::all,
      [&](const PairBlock& block) {
        for (const auto& sums : all) {
          const PairBlock part = block.first(sums->reals(), sums->fakes());
          if (part.rows.size() > 0 && part.columns.size() > 0) sums->add(part);
        }
      },
      "pairs of samples and reals");
  for (const auto& sums : all) comm.all_reduce(sums->sums());
}

}  // namespace ddls::metrics
