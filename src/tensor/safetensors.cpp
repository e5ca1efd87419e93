#include "tensor/safetensors.hpp"

#include <ATen/ATen.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <nlohmann/json.hpp>
#include <set>

#include "base/error.hpp"
#include "base/files.hpp"

namespace ddls::tensor {
namespace {

constexpr size_t length_field_bytes = 8;
constexpr uint64_t longest_json = 100'000'000;  // the limit of the format
constexpr const char* hash_key = "xxh3";
constexpr const char* metadata_key = "__metadata__";

struct TypeName {
  std::string_view text;
  at::ScalarType dtype;
};
constexpr std::array<TypeName, 10> type_names{{{"F64", at::kDouble},
                                           {"F32", at::kFloat},
                                           {"F16", at::kHalf},
                                           {"BF16", at::kBFloat16},
                                           {"I64", at::kLong},
                                           {"I32", at::kInt},
                                           {"I16", at::kShort},
                                           {"I8", at::kChar},
                                           {"U8", at::kByte},
                                           {"BOOL", at::kBool}}};

// A tensor of the file whose claims have been checked one by one; `begin` and `end` count within the data
// part.
struct Extent {
  std::string name;
  at::ScalarType dtype = at::kFloat;
  std::vector<int64_t> sizes;
  uint64_t begin = 0, end = 0;
};

class Reader {
 public:
  explicit Reader(const fs::path& path) : path_(path), bytes_(read_file(path)) {}

  SafeTensors read() {
    const nlohmann::json header = parse_header();
    SafeTensors result;
    std::vector<Extent> extents;
    for (const auto& [name, value] : header.items()) {
      if (name == metadata_key)
        result.metadata = metadata(value);
      else
        extents.push_back(extent(name, value));
    }
    check_layout(extents);
    check_hash(result.metadata);
    for (const Extent& e : extents) {
      at::Tensor tensor = at::empty(e.sizes, e.dtype);
      if (tensor.nbytes() > 0) std::memcpy(tensor.mutable_data_ptr(), data_.data() + e.begin, tensor.nbytes());
      result.tensors[e.name] = std::move(tensor);
    }
    return result;
  }

 private:
  template <typename... A>
  [[noreturn]] void damaged(fmt::format_string<A...> format, A&&... arguments) const {
    fail(Exit::data, "'{}' is damaged or no safetensors file: {}", path_.string(),
         fmt::format(format, std::forward<A>(arguments)...));
  }

  nlohmann::json parse_header() {
    if (bytes_.size() < length_field_bytes) damaged("it has only {} bytes", bytes_.size());
    uint64_t length = 0;
    std::memcpy(&length, bytes_.data(), sizeof length);
    if (length > longest_json) damaged("a header of {} bytes", length);
    if (length > bytes_.size() - length_field_bytes) {
      damaged("a header of {} bytes in a file of {} bytes", length, bytes_.size());
    }
    const std::string_view text = std::string_view(bytes_).substr(length_field_bytes, length);
    data_ = std::string_view(bytes_).substr(length_field_bytes + length);
    if (!text.starts_with('{')) damaged("the header does not begin with '{{'");
    std::vector<std::set<std::string>> keys;  // of the objects that are open: JSON allows a key twice, we do not
    const auto unique_keys = [&](int, nlohmann::json::parse_event_t event, nlohmann::json& parsed) {
      if (event == nlohmann::json::parse_event_t::object_start) keys.emplace_back();
      if (event == nlohmann::json::parse_event_t::object_end) keys.pop_back();
      if (event == nlohmann::json::parse_event_t::key && !keys.back().insert(parsed.get<std::string>()).second) {
        damaged("'{}' stands twice in the header", parsed.get<std::string>());
      }
      return true;
    };
    nlohmann::json header = nlohmann::json::parse(text, unique_keys, false);
    if (!header.is_object()) damaged("the header is not JSON");
    return header;
  }

  std::map<std::string, std::string> metadata(const nlohmann::json& value) const {
    if (!value.is_object()) damaged("{} is not a map", metadata_key);
    std::map<std::string, std::string> result;
    for (const auto& [key, entry] : value.items()) {
      if (!entry.is_string()) damaged("{}.{} is not a text", metadata_key, key);
      result[key] = entry.get<std::string>();
    }
    return result;
  }

  std::vector<uint64_t> numbers(const std::string& name, const nlohmann::json& value, const char* key) const {
    if (!value.contains(key) || !value[key].is_array()) damaged("tensor '{}' has no list '{}'", name, key);
    std::vector<uint64_t> result;
    for (const nlohmann::json& n : value[key]) {
      if (!n.is_number_unsigned()) damaged("tensor '{}': '{}' holds {}", name, key, n.dump());
      result.push_back(n.get<uint64_t>());
    }
    return result;
  }

  Extent extent(const std::string& name, const nlohmann::json& value) const {
    if (!value.is_object() || value.size() != 3) damaged("tensor '{}' is not described as the format says", name);
    if (!value.contains("dtype") || !value["dtype"].is_string()) damaged("tensor '{}' has no dtype", name);
    const std::string dtype = value["dtype"].get<std::string>();
    const auto type = std::ranges::find(type_names, dtype, &TypeName::text);
    if (type == type_names.end())
      fail(Exit::data, "'{}': tensor '{}' has unsupported dtype '{}'", path_.string(), name, dtype);
    Extent e{name, type->dtype, {}, 0, 0};
    uint64_t bytes = c10::elementSize(e.dtype);
    const std::vector<uint64_t> shape = numbers(name, value, "shape");
    for (const uint64_t n : shape) {
      // An empty tensor claims no bytes, but torch multiplies its other sizes for the strides.
      if (__builtin_mul_overflow(bytes, std::max<uint64_t>(n, 1), &bytes) || bytes > INT64_MAX) {
        damaged("tensor '{}' is impossibly large", name);
      }
      e.sizes.push_back(static_cast<int64_t>(n));
    }
    if (std::ranges::find(shape, 0U) != shape.end()) bytes = 0;
    if (shape.size() > 16) damaged("tensor '{}' has {} dimensions", name, shape.size());
    const std::vector<uint64_t> offsets = numbers(name, value, "data_offsets");
    if (offsets.size() != 2) damaged("tensor '{}' has {} data_offsets", name, offsets.size());
    e.begin = offsets[0];
    e.end = offsets[1];
    if (e.begin > e.end || e.end > data_.size()) {
      damaged("tensor '{}' lies at {} to {} of {} bytes of data", name, e.begin, e.end, data_.size());
    }
    if (e.end - e.begin != bytes) damaged("tensor '{}' needs {} bytes and has {}", name, bytes, e.end - e.begin);
    return e;
  }

  // The format wants the tensors to tile the data part: no overlap, no hole, nothing behind the last one.
  void check_layout(std::vector<Extent>& extents) const {
    std::ranges::sort(extents, [](const Extent& a, const Extent& b) {
      return std::tie(a.begin, a.end, a.name) < std::tie(b.begin, b.end, b.name);
    });
    uint64_t end = 0;
    for (const Extent& e : extents) {
      if (e.begin != end) damaged("tensor '{}' begins at {} instead of {} (overlap or hole)", e.name, e.begin, end);
      end = e.end;
    }
    if (end != data_.size()) damaged("{} bytes of data, but its tensors take {}", data_.size(), end);
  }

  void check_hash(const std::map<std::string, std::string>& metadata) const {
    const auto stored = metadata.find(hash_key);
    if (stored != metadata.end() && stored->second != hex64(hash64(data_))) {
      damaged("the data does not match its checksum");
    }
  }

  const fs::path& path_;
  std::string bytes_;
  std::string_view data_;
};

std::string_view dtype_text(const std::string& name, at::ScalarType dtype) {
  const auto type = std::ranges::find(type_names, dtype, &TypeName::dtype);
  ensure(type != type_names.end(), "tensor '{}': {} cannot be written as safetensors", name, c10::toString(dtype));
  return type->text;
}

}  // namespace

SafeTensors read_safetensors(const fs::path& path) { return Reader(path).read(); }

void write_safetensors(const fs::path& path, const NamedTensors& tensors,
                       const std::map<std::string, std::string>& metadata) {
  // Widest elements first, so that every tensor is aligned to its own element.
  std::vector<std::string> order;
  for (const auto& [name, tensor] : tensors) order.push_back(name);
  std::ranges::stable_sort(order, std::greater<>(), [&](const std::string& n) { return tensors.at(n).element_size(); });

  nlohmann::json header = nlohmann::json::object();
  std::string data;
  for (const std::string& name : order) {
    ensure(name != metadata_key, "a tensor may not be called {}", metadata_key);
    const at::Tensor dense = tensors.at(name).detach().to(at::kCPU).contiguous();
    const size_t begin = data.size();
    if (dense.nbytes() > 0) data.append(static_cast<const char*>(dense.const_data_ptr()), dense.nbytes());
    header[name] = {{"dtype", dtype_text(name, dense.scalar_type())},
                    {"shape", dense.sizes().vec()},
                    {"data_offsets", {begin, data.size()}}};
  }
  for (const auto& [key, value] : metadata) header[metadata_key][key] = value;
  header[metadata_key][hash_key] = hex64(hash64(data));

  std::string text = header.dump();
  text.append((8 - text.size() % 8) % 8, ' ');
  const uint64_t length = text.size();
  std::string head(reinterpret_cast<const char*>(&length), sizeof length);
  head += text;
  data.insert(0, head);
  write_file(path, data);
}

}  // namespace ddls::tensor
