#include "tensor/safetensors.hpp"

#include <ATen/ATen.h>

#include "base/files.hpp"
#include "scratch_folder.hpp"

namespace ddls::tensor::safetensors_test {
namespace {

using test::contains;
using test::get_bytes;
using test::put_bytes;
using test::ScratchFolder;
using test::Thrown;
using test::thrown_by;

std::string file_of(const std::string& header, const std::string& data) {
  const uint64_t length = header.size();
  return std::string(reinterpret_cast<const char*>(&length), 8) + header + data;
}

Thrown read_of(const std::string& bytes) {
  const ScratchFolder folder;
  put_bytes(folder / "a.safetensors", bytes);
  return thrown_by([&] { read_safetensors(folder / "a.safetensors"); });
}

TEST(SafeTensors, round_trip) {
  const ScratchFolder folder;
  const NamedTensors tensors{{"bool", at::arange(3).remainder(2).eq(0)},
                             {"bytes", at::arange(5, at::kByte)},
                             {"double", at::full({}, 0.1, at::kDouble)},
                             {"half", at::tensor({1.5F, -2.0F}).to(at::kHalf)},
                             {"bf16", at::tensor({1.5F, -2.0F}).to(at::kBFloat16)},
                             {"long", at::tensor({int64_t{1} << 50})},
                             {"none", at::zeros({0, 3})},
                             {"turned", at::arange(6, at::kFloat).reshape({2, 3}).t()}};
  write_safetensors(folder / "a", tensors, {{"step", "12"}, {"text", "quote \" and \\"}});
  const SafeTensors back = read_safetensors(folder / "a");
  ASSERT_EQ(back.tensors.size(), tensors.size());
  for (const auto& [name, tensor] : tensors) {
    const at::Tensor& read = back.tensors.at(name);
    EXPECT_EQ(read.scalar_type(), tensor.scalar_type()) << name;
    EXPECT_EQ(read.sizes(), tensor.sizes()) << name;
    EXPECT_TRUE(at::equal(read, tensor)) << name;
    EXPECT_TRUE(read.is_contiguous()) << name;
  }
  EXPECT_EQ(back.metadata.at("step"), "12");
  EXPECT_EQ(back.metadata.at("text"), "quote \" and \\");
  EXPECT_EQ(back.metadata.size(), 3U);
  write_safetensors(folder / "b", tensors, {{"step", "12"}, {"text", "quote \" and \\"}});
  EXPECT_EQ(get_bytes(folder / "a"), get_bytes(folder / "b"));
}

TEST(SafeTensors, exact_bytes) {
  const ScratchFolder folder;
  write_safetensors(folder / "a", {{"b", at::tensor({1}, at::kByte)}, {"w", at::tensor({1.0F})}});
  const std::string data("\x00\x00\x80\x3F\x01", 5);  // wide elements first
  std::string header = R"({"__metadata__":{"xxh3":")" + hex64(hash64(data)) +
                       R"("},"b":{"data_offsets":[4,5],"dtype":"U8","shape":[1]},)"
                       R"("w":{"data_offsets":[0,4],"dtype":"F32","shape":[1]}})";
  while (header.size() % 8 != 0) header += ' ';
  EXPECT_EQ(get_bytes(folder / "a"), file_of(header, data));
}

TEST(SafeTensors, reads_a_file_without_metadata) {
  const ScratchFolder folder;
  put_bytes(folder / "a",
            file_of(R"({"x":{"dtype":"I16","shape":[2],"data_offsets":[0,4]}} )", {"\x01\x00\xFF\xFF", 4}));
  EXPECT_TRUE(at::equal(read_safetensors(folder / "a").tensors.at("x"), at::tensor({1, -1}, at::kShort)));
  put_bytes(folder / "none", file_of("{}", ""));
  EXPECT_TRUE(read_safetensors(folder / "none").tensors.empty());
}

TEST(SafeTensors, missing_truncated_and_altered_files) {
  const ScratchFolder folder;
  EXPECT_EQ(thrown_by([&] { read_safetensors(folder / "none"); }).code, Exit::missing);
  write_safetensors(folder / "a", {{"x", at::arange(4)}});
  const std::string bytes = get_bytes(folder / "a");
  for (size_t length = 0; length < bytes.size(); ++length) {
    EXPECT_EQ(read_of(bytes.substr(0, length)).code, Exit::data) << length;
  }
  EXPECT_EQ(read_of(bytes + "x").code, Exit::data);
  for (size_t i = bytes.size() - 32; i < bytes.size(); ++i) {
    std::string flipped = bytes;
    flipped[i] = static_cast<char>(flipped[i] ^ 0x10);
    const Thrown thrown = read_of(flipped);
    EXPECT_EQ(thrown.code, Exit::data);
    EXPECT_TRUE(contains(thrown.message, "checksum") && contains(thrown.message, "a.safetensors")) << thrown.message;
  }
}

TEST(SafeTensors, hostile_headers) {
  const std::string data(8, '\0');
  const auto refused = [&](const std::string& header, const std::string& part) {
    const Thrown thrown = read_of(file_of(header, data));
    EXPECT_EQ(thrown.code, Exit::data) << header;
    EXPECT_TRUE(contains(thrown.message, part)) << thrown.message;
  };
  refused("[]", "does not begin");
  refused(" {}", "does not begin");
  refused("{\"x\":", "not JSON");
  refused("{}", "8 bytes of data");
  refused(R"({"x":{"dtype":"F32","shape":[2],"data_offsets":[0,9]}})", "lies at");
  refused(R"({"x":{"dtype":"F32","shape":[2],"data_offsets":[8,0]}})", "lies at");
  refused(R"({"x":{"dtype":"F32","shape":[1],"data_offsets":[0,8]}})", "needs 4 bytes");
  refused(R"({"x":{"dtype":"F32","shape":[-2],"data_offsets":[0,8]}})", "'shape' holds -2");
  refused(R"({"x":{"dtype":"F32","shape":[2.0],"data_offsets":[0,8]}})", "'shape' holds 2.0");
  refused(R"({"x":{"dtype":"F32","shape":["2"],"data_offsets":[0,8]}})", "'shape' holds");
  refused(R"({"x":{"dtype":"F32","shape":[4294967296,4294967296,2],"data_offsets":[0,8]}})", "impossibly large");
  refused(R"({"x":{"dtype":"F32","shape":[0,18446744073709551615],"data_offsets":[0,0]}})", "impossibly large");
  refused(R"({"x":{"dtype":"F32","shape":[8,8,8,8,8,8,8,8,8,8,8,8,8,8,8,8,8,8,8,8,8,8],"data_offsets":[0,8]}})",
          "impossibly large");
  refused(R"({"x":{"dtype":"F32","shape":[0,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1],"data_offsets":[0,0]}})", "dimensions");
  refused(R"({"x":{"dtype":"F32","shape":[2],"data_offsets":[0,18446744073709551616]}})", "data_offsets");
  refused(R"({"x":{"dtype":"F32","shape":[2],"data_offsets":[0]}})", "1 data_offsets");
  refused(R"({"x":{"dtype":"F8_E4M3","shape":[8],"data_offsets":[0,8]}})", "F8_E4M3");
  refused(R"({"x":{"dtype":"F32","shape":[2]}})", "as the format says");
  refused(R"({"x":7})", "as the format says");
  refused(R"({"x":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}})", "8 bytes of data");
  refused(
      R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"b":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}})",
      "overlap");
  refused(R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}})", "hole");
  refused(
      R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})",
      "stands twice");
  refused(R"({"__metadata__":[],"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})", "not a map");
  refused(R"({"__metadata__":{"a":1},"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})", "not a text");
  refused(std::string(200000, '{'), "not JSON");
  EXPECT_TRUE(contains(read_of(std::string(8, '\xFF') + data).message, "a header of 18446744073709551615 bytes"));
  EXPECT_TRUE(contains(read_of(std::string("\x10\0\0\0\0\0\0\0{}", 10)).message, "a header of 16 bytes"));
}

}  // namespace
}  // namespace ddls::tensor::safetensors_test
