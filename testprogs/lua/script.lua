-- Runs through much of the interpreter with counts that are the same in every run: no addresses, no clock, no chance.

local function fibonacci(n)
  if n < 2 then return n end
  return fibonacci(n - 1) + fibonacci(n - 2)
end
assert(fibonacci(10) == 55)

-- Tables: array and hash part, growth, removal, metatables, sorting.
local numbers = {}
for i = 1, 60 do numbers[i] = (i * 37) % 61 end
table.sort(numbers)
table.sort(numbers, function(a, b) return a > b end)
assert(numbers[1] == 60 and #numbers == 60)
table.insert(numbers, 1, 99)
table.remove(numbers, 5)
assert(table.concat({1, 2, "x"}, "-") == "1-2-x")
assert(select("#", table.unpack(numbers, 1, 10)) == 10)
local keyed = {}
for i = 1, 40 do keyed["key" .. i] = i end
local total = 0
for key, value in pairs(keyed) do
  total = total + value
  keyed[key] = nil
end
assert(total == 820 and next(keyed) == nil)

local vector = {}
vector.__index = vector
vector.__add = function(a, b) return setmetatable({x = a.x + b.x}, vector) end
vector.__eq = function(a, b) return a.x == b.x end
vector.__lt = function(a, b) return a.x < b.x end
vector.__le = function(a, b) return a.x <= b.x end
vector.__len = function(a) return a.x end
vector.__call = function(self, n) return self.x * n end
vector.__concat = function(a, b) return a.x .. b.x end
vector.__close = function() end
local function new(x) return setmetatable({x = x}, vector) end
assert((new(1) + new(2)) == new(3) and new(1) < new(2) and new(2) <= new(2))
assert(#new(4) == 4 and new(5)(6) == 30 and new(7) .. new(8) == "78")
do local closed <close> = new(1) end

-- Strings: patterns, formats, conversions, packing.
local text = "the quick brown fox jumps over the lazy dog"
local words = {}
for word in text:gmatch("%a+") do words[#words + 1] = word:upper() end
assert(#words == 9)
assert(text:gsub("(%w+) (%w+)", "%2 %1"):sub(1, 9) == "quick the")
assert(text:find("fox", 1, true) == 17 and text:find("l[aeiou]z") == 36)
assert(("%5d|%-5s|%05.1f|%x|%q"):format(42, "ab", 3.14159, 255, "q\n") == '   42|ab   |003.1|ff|"q\\\n"')
assert(text:rep(2, ","):len() == 87 and text:reverse():byte() == 103)
assert(string.unpack("<i4", string.pack("<i4", -5)) == -5)
assert(tonumber("0x10") == 16 and tonumber("1e2") == 100 and tonumber("z", 36) == 35)
assert(utf8.char(228, 8364) == "ä€" and utf8.len("ä€") == 2)

-- Numbers: integers, floats, bits, division by every kind.
local n = 0
for i = 1, 30 do
  n = (n * 31 + i) % 1000003
  n = n ~ (i << 3) | (n & 255)
end
assert(7 // 2 == 3 and 7 % -3 == -2 and -7 // 2.0 == -4.0 and 2 ^ 10 == 1024.0)
assert(math.type(1) == "integer" and math.type(1.0) == "float" and math.max(3, 9, 4) == 9)
assert(1 < 1.5 and 2 ^ 53 == 2 ^ 53 + 1.0)
for x = 1.0, 2.0, 0.25 do n = n + x end
for i = 10, 1, -3 do n = n - i end

-- Control: goto, while, repeat, varargs, closures, upvalues.
local counters = {}
for i = 1, 5 do
  local count = 0
  counters[i] = function() count = count + i; return count end
end
for i = 1, 5 do counters[i](); assert(counters[i]() == 2 * i) end
local steps = 0
::again::
steps = steps + 1
if steps < 5 then goto again end
while steps > 0 do
  steps = steps - 1
  if steps == 2 then break end
end
repeat steps = steps + 1 until steps > 6
local function variable(...)
  local first, second = ...
  return select("#", ...), first, second
end
assert(variable(1, 2, 3) == 3)

-- Errors and coroutines: longjmp through the interpreter.
for i = 1, 5 do
  local good, message = pcall(function() error({code = i}) end)
  assert(not good and message.code == i)
end
assert(not pcall(function() return nil + 1 end))
assert(not pcall(function() return ("x")() end))
assert(xpcall(function() error("deep") end, function(message) return message .. "!" end) == false)
local function produce(n)
  return coroutine.wrap(function()
    for i = 1, n do coroutine.yield(i) end
  end)
end
local sum = 0
for i in produce(10) do sum = sum + i end
assert(sum == 55)
local thread = coroutine.create(function(a) local b = coroutine.yield(a + 1); error(b) end)
assert(select(2, coroutine.resume(thread, 1)) == 2)
assert(not coroutine.resume(thread, "end") and coroutine.status(thread) == "dead")

-- The compiler itself, and the collector.
local chunk = assert(load("local a, b = ...; if a and b then return a .. b else return a or 'none' end"))
assert(chunk("x", "y") == "xy" and chunk("x") == "x" and chunk() == "none")
assert(not load("local x = = 1"))
local dumped = load(string.dump(fibonacci))
assert(dumped ~= nil)
local weak = setmetatable({}, {__mode = "k"})
weak[{}] = true
collectgarbage()
assert(next(weak) == nil)
collectgarbage("generational")
for i = 1, 20 do local garbage = {i, {i}} end
collectgarbage("step")
collectgarbage("incremental")
