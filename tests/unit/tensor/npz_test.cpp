#include "tensor/npz.hpp"

#include <ATen/ATen.h>

#include "scratch_folder.hpp"
#include "tensor/npy_header.hpp"
#include "tensor/stored_zip.hpp"

namespace ddls::tensor::npz_test {
namespace {

using test::contains;
using test::get_bytes;
using test::put_bytes;
using test::ScratchFolder;
using test::thrown_by;

const std::filesystem::path fixtures = DDLS_TEST_DATA;

bool same(const at::Tensor& a, const at::Tensor& b) {
  return a.scalar_type() == b.scalar_type() && a.sizes() == b.sizes() && at::equal(a, b);
}

NamedTensors some_arrays() {
  return {{"arr_0", at::arange(24, at::kByte).reshape({2, 3, 4})},
          {"arr_1", at::tensor({int64_t{-5}, int64_t{1} << 40})},
          {"int32", at::tensor({1, -2}, at::kInt)},
          {"mu", at::full({}, 0.1, at::kDouble)},
          {"none", at::zeros({0, 7})},
          {"sigma", at::tensor({1.5F, -2.0F}).view({1, 2})}};
}

void expect_numpy_arrays(const NamedTensors& arrays) {
  ASSERT_EQ(arrays.size(), 6U);
  EXPECT_TRUE(same(arrays.at("bytes"), at::arange(24, at::kByte).reshape({2, 3, 4})));
  EXPECT_TRUE(same(arrays.at("ints"), at::tensor({-1, 2147483647}, at::kInt)));
  EXPECT_TRUE(same(arrays.at("longs"), at::tensor({-(int64_t{1} << 62), int64_t{7}}).reshape({2, 1})));
  EXPECT_TRUE(same(arrays.at("floats"), at::tensor({0.5F, -1.25F, 3.0F})));
  EXPECT_TRUE(same(arrays.at("doubles"), at::full({}, 0.1, at::kDouble)));
  EXPECT_TRUE(same(arrays.at("empty"), at::zeros({0, 5})));
}

TEST(Npz, reads_what_numpy_writes) {
  expect_numpy_arrays(read_npz(fixtures / "numpy_stored.npz"));
  expect_numpy_arrays(read_npz(fixtures / "numpy_deflated.npz"));
  EXPECT_TRUE(same(read_npy(fixtures / "numpy_version2.npy"), at::arange(3)));
}

TEST(Npz, reads_half_precision_and_fortran_order) {
  EXPECT_EQ(read_npy(fixtures / "numpy_float16.npy").scalar_type(), at::kHalf);
  const at::Tensor fortran = read_npy(fixtures / "numpy_fortran.npy");
  EXPECT_TRUE(fortran.is_contiguous());
  EXPECT_TRUE(same(fortran, at::zeros({2, 3}))) << fortran;
}

// A .npy of version 1 with this dict for a header.
std::string npy(std::string dict, const std::string& data) {
  dict.resize(118, ' ');
  return std::string("\x93NUMPY\x01\x00\x76\x00", 10) + dict + data;
}

std::string dict_of(const std::string& descr, const std::string& shape, const std::string& order = "False") {
  return "{'descr': '" + descr + "', 'fortran_order': " + order + ", 'shape': " + shape + ", }";
}

TEST(Npy, headers_of_python_2) {
  const ScratchFolder folder;
  put_bytes(folder / "x.npy", npy(dict_of("|u1", "(2L, 3L)"), "abcdef"));
  EXPECT_TRUE(same(read_npy(folder / "x.npy"), at::arange('a', 'g', at::kByte).view({2, 3})));
  put_bytes(folder / "x.npy", npy("{u'descr': u'|u1', u'fortran_order': False, u'shape': (6L,)}", "abcdef"));
  EXPECT_TRUE(same(read_npy(folder / "x.npy"), at::arange('a', 'g', at::kByte)));
}

// Values of numpy: np.array([...], dtype).tobytes().
TEST(Npy, every_kind_of_number) {
  const ScratchFolder folder;
  const auto reads = [&](const std::string& descr, const std::string& bytes, const at::Tensor& expected) {
    put_bytes(folder / "x.npy", npy(dict_of(descr, "(2,)"), bytes));
    EXPECT_TRUE(same(read_npy(folder / "x.npy"), expected)) << descr;
  };
  const auto bytes = [](std::initializer_list<int> values) {
    std::string text;
    for (const int value : values) text += static_cast<char>(value);
    return text;
  };
  reads("|i1", bytes({1, 255}), at::tensor({1, -1}, at::kChar));
  reads("|b1", bytes({1, 0}), at::tensor({1, 0}, at::kByte));
  reads("<i2", bytes({1, 0, 254, 255}), at::tensor({1, -2}, at::kShort));
  reads(">i2", bytes({0, 1, 255, 254}), at::tensor({1, -2}, at::kShort));
  reads("<u2", bytes({1, 0, 254, 255}), at::tensor({1, 65534}, at::kInt));
  reads(">u2", bytes({0, 1, 255, 254}), at::tensor({1, 65534}, at::kInt));
  reads(">i4", bytes({0, 0, 0, 7, 255, 255, 255, 255}), at::tensor({7, -1}, at::kInt));
  reads("<u4", bytes({7, 0, 0, 0, 255, 255, 255, 255}), at::tensor({int64_t{7}, int64_t{4294967295}}));
  reads(">i8", bytes({0, 0, 0, 0, 0, 0, 0, 7, 255, 255, 255, 255, 255, 255, 255, 255}),
        at::tensor({int64_t{7}, int64_t{-1}}));
  reads("<u8", bytes({7, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0}), at::tensor({int64_t{7}, int64_t{1}}));
  reads(">f4", bytes({63, 128, 0, 0, 192, 0, 0, 0}), at::tensor({1.0F, -2.0F}));
  reads(">f8", bytes({63, 240, 0, 0, 0, 0, 0, 0, 192, 0, 0, 0, 0, 0, 0, 0}), at::tensor({1.0, -2.0}, at::kDouble));
  put_bytes(folder / "x.npy", npy(dict_of("<u8", "(1,)"), std::string(8, '\xFF')));
  EXPECT_TRUE(contains(thrown_by([&] { read_npy(folder / "x.npy"); }).message, "uint64 of 2^63 or more"));
}

TEST(Npy, what_is_no_number_is_named) {
  const ScratchFolder folder;
  for (const char* descr : {"<U7", "|S3", "|O", "<c8", "<M8[ns]", ""}) {
    put_bytes(folder / "x.npy", npy(dict_of(descr, "(2,)"), std::string(64, '\0')));
    const auto thrown = thrown_by([&] { read_npy(folder / "x.npy"); });
    EXPECT_EQ(thrown.code, Exit::data) << descr;
    EXPECT_TRUE(contains(thrown.message, fmt::format("'{}'", descr)) && !contains(thrown.message, "damaged"))
        << thrown.message;
  }
}

TEST(Npy, fortran_order_is_the_array_that_numpy_shows) {
  const ScratchFolder folder;
  put_bytes(folder / "x.npy", npy(dict_of("|u1", "(2, 3)", "True"), "adbecf"));
  EXPECT_TRUE(same(read_npy(folder / "x.npy"), at::arange('a', 'g', at::kByte).view({2, 3})));
}

TEST(Npz, only_what_is_asked_for_is_parsed) {
  const ScratchFolder folder;
  {
    StoredZip zip(folder / "a.npz");
    const auto add = [&](const std::string& name, const std::string& bytes) {
      zip.begin(name, bytes.size());
      zip.write(std::as_bytes(std::span(bytes)));
      zip.end();
    };
    add("arr_0.npy", npy(dict_of("|u1", "(6,)"), "abcdef"));
    add("README.txt", "x");
    add("name.npy", npy(dict_of("<U7", "()"), std::string(28, 'x')));
    add("broken.npy", "no array at all");
    zip.finish();
  }
  EXPECT_EQ(npz_names(folder / "a.npz"), (std::vector<std::string>{"arr_0", "name", "broken"}));
  const NamedTensors arrays = read_npz(folder / "a.npz", {"arr_0", "arr_1"});
  ASSERT_EQ(arrays.size(), 1U);
  EXPECT_TRUE(same(arrays.at("arr_0"), at::arange('a', 'g', at::kByte)));
  EXPECT_TRUE(same(NpzArray(folder / "a.npz", "arr_0").rows(2, 2), at::arange('c', 'e', at::kByte)));
  EXPECT_TRUE(contains(thrown_by([&] { read_npz(folder / "a.npz", {"name"}); }).message, "'<U7'"));
  EXPECT_TRUE(contains(thrown_by([&] { read_npz(folder / "a.npz", {"broken"}); }).message, "not a .npy array"));
}

TEST(NpzArray, rows_of_big_endian_unsigned_and_fortran_arrays) {
  const ScratchFolder folder;
  const auto rows_of = [&](const std::string& descr, const std::string& order, const std::string& data) {
    const std::string bytes = npy(dict_of(descr, "(3, 2)", order), data);
    StoredZip zip(folder / "a.npz");
    zip.begin("x.npy", bytes.size());
    zip.write(std::as_bytes(std::span(bytes)));
    zip.end();
    zip.finish();
    return NpzArray(folder / "a.npz", "x").rows(1, 2);
  };
  const at::Tensor expected = at::tensor({2, 3, 4, 65535}, at::kInt).view({2, 2});
  EXPECT_TRUE(same(rows_of(">u2", "False", std::string("\0\0\0\1\0\2\0\3\0\4\xFF\xFF", 12)), expected));
  EXPECT_TRUE(same(rows_of("<u2", "True", std::string("\0\0\2\0\4\0\1\0\3\0\xFF\xFF", 12)), expected));
}

TEST(Npz, round_trip_and_bytes_that_depend_on_the_tensors_alone) {
  const ScratchFolder folder;
  const NamedTensors arrays = some_arrays();
  write_npz(folder / "a.npz", arrays);
  write_npz(folder / "b.npz", arrays);
  EXPECT_EQ(get_bytes(folder / "a.npz"), get_bytes(folder / "b.npz"));
  EXPECT_FALSE(std::filesystem::exists(folder / "a.npz.partial"));
  const NamedTensors back = read_npz(folder / "a.npz");
  ASSERT_EQ(back.size(), arrays.size());
  for (const auto& [name, tensor] : arrays) EXPECT_TRUE(same(back.at(name), tensor)) << name;
}

TEST(Npz, header_bytes_are_those_of_numpy) {
  const std::string text = npy_header_text({at::kFloat, {3}});
  EXPECT_EQ(text.size(), 128U);
  EXPECT_EQ(text.substr(0, 8), std::string("\x93NUMPY\x01\x00", 8));
  EXPECT_EQ(text.substr(8, 2), std::string("\x76\x00", 2));
  EXPECT_EQ(text.substr(10, 56), "{'descr': '<f4', 'fortran_order': False, 'shape': (3,), ");
  EXPECT_EQ(text.back(), '\n');
  const std::string numpy = get_bytes(fixtures / "numpy_stored.npz");
  EXPECT_TRUE(contains(numpy, text));
}

TEST(Npz, an_array_that_is_not_contiguous_is_written_in_logical_order) {
  const ScratchFolder folder;
  const at::Tensor turned = at::arange(6, at::kFloat).reshape({2, 3}).t();
  write_npz(folder / "a.npz", {{"x", turned}});
  EXPECT_TRUE(same(read_npz(folder / "a.npz").at("x"), turned.contiguous()));
}

TEST(NpzArray, rows_are_those_of_the_whole_array) {
  for (const char* file : {"numpy_stored.npz", "numpy_deflated.npz"}) {
    const at::Tensor whole = read_npz(fixtures / file).at("bytes");
    const NpzArray array(fixtures / file, "bytes");
    EXPECT_EQ(array.dtype(), at::kByte);
    EXPECT_EQ(array.sizes(), whole.sizes().vec());
    for (int64_t begin = 0; begin <= 2; ++begin)
      for (int64_t count = 0; begin + count <= 2; ++count)
        EXPECT_TRUE(same(array.rows(begin, count), whole.narrow(0, begin, count))) << file << begin << count;
    EXPECT_EQ(thrown_by([&] { array.rows(1, 2); }).code, Exit::internal);
    EXPECT_EQ(NpzArray(fixtures / file, "empty").rows(0, 0).sizes().vec(), (std::vector<int64_t>{0, 5}));
    EXPECT_TRUE(contains(thrown_by([&] { NpzArray(fixtures / file, "no"); }).message, "no array 'no'"));
  }
}

TEST(NpzArray, damage_is_noticed_at_opening_and_a_shorter_file_when_rows_are_read) {
  const ScratchFolder folder;
  const at::Tensor numbers = at::arange(400000).view({100000, 4});
  write_npz(folder / "a.npz", {{"x", numbers}});
  std::string bytes = get_bytes(folder / "a.npz");
  const NpzArray array(folder / "a.npz", "x");
  EXPECT_TRUE(same(array.rows(99990, 10), numbers.narrow(0, 99990, 10)));
  bytes[bytes.size() / 2] ^= 4;
  put_bytes(folder / "b.npz", bytes);
  const auto damaged = thrown_by([&] { NpzArray(folder / "b.npz", "x"); });
  EXPECT_EQ(damaged.code, Exit::data);
  EXPECT_TRUE(contains(damaged.message, "b.npz', entry 'x.npy': damaged")) << damaged.message;
  write_npz(folder / "a.npz", {{"x", numbers.narrow(0, 0, 10)}});
  EXPECT_EQ(thrown_by([&] { array.rows(99990, 10); }).code, Exit::data);
}

TEST(NpzWriter, pieces_give_the_bytes_of_the_whole) {
  const ScratchFolder folder;
  const at::Tensor images = at::arange(60, at::kByte).reshape({5, 3, 4});
  const at::Tensor labels = at::arange(5);
  write_npz(folder / "whole.npz", {{"arr_0", images}, {"arr_1", labels}});
  NpzWriter writer(folder / "pieces.npz", {{"arr_0", at::kByte, {5, 3, 4}}, {"arr_1", at::kLong, {5}}});
  writer.append(images.narrow(0, 0, 2));
  writer.append(images.narrow(0, 2, 0));
  writer.append(images.narrow(0, 2, 3));
  writer.append(labels);
  EXPECT_FALSE(std::filesystem::exists(folder / "pieces.npz"));
  writer.finish();
  EXPECT_EQ(get_bytes(folder / "whole.npz"), get_bytes(folder / "pieces.npz"));
}

TEST(NpzWriter, refuses_rows_that_do_not_fit_and_leaves_nothing_behind) {
  const ScratchFolder folder;
  {
    NpzWriter writer(folder / "a.npz", {{"x", at::kFloat, {3, 2}}});
    EXPECT_EQ(thrown_by([&] { writer.append(at::zeros({1, 3})); }).code, Exit::internal);
    EXPECT_EQ(thrown_by([&] { writer.append(at::zeros({1, 2}, at::kDouble)); }).code, Exit::internal);
    writer.append(at::zeros({2, 2}));
    EXPECT_EQ(thrown_by([&] { writer.append(at::zeros({2, 2})); }).code, Exit::internal);
    EXPECT_EQ(thrown_by([&] { writer.finish(); }).code, Exit::internal);
  }
  EXPECT_TRUE(std::filesystem::is_empty(folder.path()));
  EXPECT_EQ(thrown_by([&] { NpzWriter(folder / "no/such/folder.npz", {}); }).code, Exit::runtime);
}

TEST(Npz, a_missing_file_and_a_file_of_another_kind) {
  const ScratchFolder folder;
  EXPECT_EQ(thrown_by([&] { read_npz(folder / "none.npz"); }).code, Exit::missing);
  EXPECT_EQ(thrown_by([&] { read_npy(folder / "none.npy"); }).code, Exit::missing);
  put_bytes(folder / "text.npz", "this is no zip archive at all, only some text that is long enough");
  const auto text = thrown_by([&] { read_npz(folder / "text.npz"); });
  EXPECT_EQ(text.code, Exit::data);
  EXPECT_TRUE(contains(text.message, "text.npz")) << text.message;
}

TEST(Npz, every_truncation_is_noticed) {
  const ScratchFolder folder;
  write_npz(folder / "a.npz", {{"x", at::arange(10)}, {"y", at::zeros({3, 2})}});
  const std::string bytes = get_bytes(folder / "a.npz");
  for (size_t length = 0; length < bytes.size(); length += 7) {
    put_bytes(folder / "cut.npz", bytes.substr(0, length));
    EXPECT_EQ(thrown_by([&] { read_npz(folder / "cut.npz"); }).code, Exit::data) << length;
  }
  write_npz(folder / "one.npz", {{"x", at::arange(10)}});
  const std::string npy = get_bytes(folder / "one.npz").substr(30 + 5 + 20, 128 + 80);
  put_bytes(folder / "x.npy", npy);
  EXPECT_TRUE(same(read_npy(folder / "x.npy"), at::arange(10)));
  for (size_t length = 0; length < npy.size(); ++length) {
    put_bytes(folder / "cut.npy", npy.substr(0, length));
    EXPECT_EQ(thrown_by([&] { read_npy(folder / "cut.npy"); }).code, Exit::data) << length;
  }
  put_bytes(folder / "long.npy", npy + "x");
  EXPECT_EQ(thrown_by([&] { read_npy(folder / "long.npy"); }).code, Exit::data);
}

// A flipped bit is refused or lies where it changes nothing (dates, version numbers); it never changes a tensor.
TEST(Npz, no_flipped_bit_changes_a_tensor) {
  const ScratchFolder folder;
  const at::Tensor x = at::arange(10);
  write_npz(folder / "a.npz", {{"x", x}});
  const std::string bytes = get_bytes(folder / "a.npz");
  int refused = 0;
  for (size_t i = 0; i < bytes.size(); ++i) {
    std::string flipped = bytes;
    flipped[i] = static_cast<char>(flipped[i] ^ (1 << i % 8));
    put_bytes(folder / "b.npz", flipped);
    const auto thrown = thrown_by([&] {
      const NamedTensors back = read_npz(folder / "b.npz");
      for (const auto& [name, tensor] : back) EXPECT_TRUE(same(tensor, x)) << "byte " << i;
    });
    if (thrown.code) {
      EXPECT_EQ(thrown.code, Exit::data) << "byte " << i;
      ++refused;
    }
  }
  EXPECT_GE(refused, 128 + 80);  // at least all of header and data
}

void expect_bad_header(const std::string& dict) {
  const ScratchFolder folder;
  std::string text("\x93NUMPY\x01\x00", 8);
  text += static_cast<char>(dict.size() & 0xFF);
  text += static_cast<char>(dict.size() >> 8);
  put_bytes(folder / "x.npy", text + dict + std::string(64, '\0'));
  EXPECT_EQ(thrown_by([&] { read_npy(folder / "x.npy"); }).code, Exit::data) << dict;
}

TEST(Npy, hostile_headers) {
  expect_bad_header("");
  expect_bad_header("{}");
  expect_bad_header("{'descr': '<f4', 'fortran_order': False, 'shape': (16,), ");
  expect_bad_header("{'descr': '<f4', 'fortran_order': False, 'shape': (-16,), }");
  expect_bad_header("{'descr': '<f4', 'fortran_order': False, 'shape': (17,), }");
  expect_bad_header("{'descr': '<f4', 'fortran_order': False, 'shape': (4294967296, 4294967296, 4), }");
  expect_bad_header("{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999,), }");
  expect_bad_header("{'descr': '<f4', 'fortran_order': False, 'shape': (0, 4294967296, 4294967296, 4294967296), }");
  std::string ones;
  for (int i = 0; i < 65; ++i) ones += "1, ";
  expect_bad_header("{'descr': '<f4', 'fortran_order': False, 'shape': (" + ones + "16), }");
  expect_bad_header("{'descr': '<f4', 'fortran_order': Maybe, 'shape': (16,), }");
  expect_bad_header("{'descr': '>f4', 'fortran_order': False, 'shape': (17L,), }");
  expect_bad_header("{'descr': '<f4', 'fortran_order': False, 'shape': (16LL,), }");
  expect_bad_header("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (16,), }");
  expect_bad_header("{'descr': '<f4', 'descr': '<f4', 'fortran_order': False, 'shape': (16,), }");
  expect_bad_header("{'descr': '<f4', 'fortran_order': False, 'shape': (16,), } x");
}

}  // namespace
}  // namespace ddls::tensor::npz_test
