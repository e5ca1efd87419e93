// Rows that come in any order make the file that they would have made in order, and nothing else is taken for it.
#include "tensor/npz_rows.hpp"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <fstream>

#include "base/error.hpp"
#include "base/files.hpp"
#include "unit/base/scratch.hpp"

namespace ddls::tensor::npz_rows_test {
namespace {

struct Arrays {
  at::Tensor images = at::randint(0, 256, {11, 4, 5, 3}, at::kByte), labels = at::arange(11, at::kLong);
  std::vector<NpzWriter::Entry> entries{{"arr_0", at::kByte, {11, 4, 5, 3}}, {"arr_1", at::kLong, {11}}};
};

void write_part(NpzRows& file, const Arrays& arrays, int64_t first, int64_t count, std::vector<uint32_t>& crcs) {
  crcs.push_back(file.write(0, first, arrays.images.narrow(0, first, count)));
  crcs.push_back(file.write(1, first, arrays.labels.narrow(0, first, count)));
}

TEST(NpzRows, in_any_order_are_the_file_of_the_writer) {
  const test::Scratch scratch;
  const Arrays arrays;
  write_npz(scratch.path() / "whole.npz", {{"arr_0", arrays.images}, {"arr_1", arrays.labels}});
  std::vector<uint32_t> last, first;
  {
    NpzRows file(scratch.path() / "rows.npz", arrays.entries);
    write_part(file, arrays, 7, 4, last);
  }
  NpzRows again(scratch.path() / "rows.npz", arrays.entries);  // another process, later
  write_part(again, arrays, 0, 7, first);
  EXPECT_EQ(again.checksum(0, 7, 4), last[0]);
  std::vector<uint32_t> all;
  for (size_t a = 0; a < 2; ++a) all.push_back(joined_crc(first[a], last[a], 4 * again.row_bytes(a)));
  EXPECT_EQ(again.seal(all), sha256_of_file(scratch.path() / "whole.npz"));
  EXPECT_EQ(read_file(scratch.path() / "rows.npz"), read_file(scratch.path() / "whole.npz"));
}

TEST(NpzRows, headers_that_changed_are_mended) {
  const test::Scratch scratch;
  const Arrays arrays;
  write_npz(scratch.path() / "whole.npz", {{"arr_0", arrays.images}, {"arr_1", arrays.labels}});
  std::vector<uint32_t> crcs;
  NpzRows file(scratch.path() / "rows.npz", arrays.entries);
  write_part(file, arrays, 0, 11, crcs);
  {
    std::fstream damage(scratch.path() / "rows.npz", std::ios::in | std::ios::out | std::ios::binary);
    damage.write("zeros", 5);
    damage.seekp(60);
    damage.write("more", 4);
  }
  file.seal(crcs);
  EXPECT_EQ(read_file(scratch.path() / "rows.npz"), read_file(scratch.path() / "whole.npz"));
}

TEST(NpzRows, rows_that_changed_are_noticed) {
  const test::Scratch scratch;
  const Arrays arrays;
  NpzRows file(scratch.path() / "rows.npz", arrays.entries);
  std::vector<uint32_t> crcs;
  write_part(file, arrays, 0, 11, crcs);
  file.write(0, 3, arrays.images.narrow(0, 4, 1));
  EXPECT_NE(file.checksum(0, 0, 11), crcs[0]);
  EXPECT_THROW(file.seal(crcs), Error);
  file.write(0, 3, arrays.images.narrow(0, 3, 1));
  EXPECT_NO_THROW(file.seal(crcs));
}

TEST(NpzRows, a_file_of_other_arrays_is_refused) {
  const test::Scratch scratch;
  Arrays arrays;
  { const NpzRows file(scratch.path() / "rows.npz", arrays.entries); }
  arrays.entries[0].sizes[0] = 12;
  EXPECT_THROW(NpzRows(scratch.path() / "rows.npz", arrays.entries), Error);
  EXPECT_ANY_THROW(read_npz(scratch.path() / "rows.npz"));  // nobody takes it for a whole one
}

}  // namespace
}  // namespace ddls::tensor::npz_rows_test
